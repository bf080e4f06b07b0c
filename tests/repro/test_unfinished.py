"""A command that was killed after it placed data is gone on with by the same command."""

import json
from pathlib import Path

import pytest

from repro.cli import run
from repro.commands import data as commands
from repro.errors import ReproError
from repro.layout import Layout
from repro.params import load_params
from repro.unfinished import NOTHING, placing
from tests.repro.quick_pipeline import quicken

CLICKS = "user_id,item_id\n" + "".join(
    f"u{user},{(user * 3 + step) % 9}\n" for user in range(12) for step in range(6)
)


@pytest.fixture
def shop(checkout: Layout, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The words of an import of a small data set."""
    quicken(checkout)
    monkeypatch.setenv("REPRO_ROOT", str(checkout.root))
    clicks = checkout.root / "clicks.csv"
    clicks.write_text(CLICKS, encoding="utf-8")
    return ["data", "import", "shop", "--interactions", str(clicks)]


def _fail(*words: object) -> list[str]:
    raise ReproError("the disk went away.")


def test_an_import_that_placed_its_data_and_failed_is_gone_on_with(
    checkout: Layout, shop: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(commands, "_join_grid", _fail)
        assert run(shop) == 1
    assert checkout.raw("shop").is_dir()
    assert "shop" not in load_params(checkout.params).datasets
    assert run(shop) == 0
    assert "shop-lightgcn-base" in load_params(checkout.params).cells
    capsys.readouterr()
    assert run(shop) == 1
    assert "exists already" in capsys.readouterr().err


def test_data_that_another_command_placed_are_not_taken_for_ours(checkout: Layout, tmp_path: Path) -> None:
    raw = checkout.raw("shop")
    raw.mkdir(parents=True)
    with pytest.raises(KeyError), placing(checkout, "shop") as earlier:
        raise KeyError  # nothing was placed
    assert earlier == NOTHING
    with placing(checkout, "shop") as earlier:
        assert not earlier.placed
    assert not list((checkout.state / "unfinished").iterdir())


def test_the_note_of_a_killed_command_tells_whether_data_were_placed_and_replaced(checkout: Layout) -> None:
    raw, note = checkout.raw("shop"), checkout.state / "unfinished" / "shop.json"
    for older in (False, True):
        if older:
            raw.mkdir(parents=True, exist_ok=True)
        killed = placing(checkout, "shop")
        killed.__enter__()
        before = note.read_bytes()
        with pytest.raises(KeyError), placing(checkout, "shop") as earlier:
            raise KeyError
        assert not earlier.placed
        note.write_bytes(before)
        if older:
            raw.rename(raw.with_name("older"))
        raw.mkdir(parents=True)
        with placing(checkout, "shop") as earlier:
            assert earlier.placed
            assert earlier.replaced == older
        assert not note.exists()
        killed.gen.close()  # type: ignore[attr-defined]
        raw.rmdir()


@pytest.mark.parametrize("content", ["", "[]", json.dumps({"after": 1})])
def test_an_unreadable_note_is_none(checkout: Layout, content: str) -> None:
    note = checkout.state / "unfinished" / "shop.json"
    note.parent.mkdir(parents=True)
    note.write_text(content)
    with placing(checkout, "shop") as earlier:
        assert earlier == NOTHING
