"""Results on disk, as the tests of tables have them."""

from tests.repro.tables.conftest import written_project  # noqa: F401
