"""Words of the embedded data set: a bookshop whose readers come with intents.

Each intent has general phrases and three facets (a reader who cooks may bake bread or hunt for
spices). Some phrases stand under several intents on purpose ("court", "root", "wave", "spring"):
text is ambiguous outside tests, too.
"""

from __future__ import annotations

from dataclasses import dataclass

FACET_COUNT = 3


@dataclass(frozen=True)
class IntentWords:
    """The phrases of one intent.

    Attributes:
        name: What a person would call the intent.
        general: Phrases that tell the intent but not the facet.
        facets: For each facet the phrases that tell it.
    """

    name: str
    general: tuple[str, ...]
    facets: tuple[tuple[str, ...], ...]


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split(", "))


def _intent(name: str, general: str, *facets: str) -> IntentWords:
    return IntentWords(name, _words(general), tuple(_words(facet) for facet in facets))


INTENTS = (
    _intent(
        "space voyages",
        "starship, distant planet, orbit, alien, galaxy",
        "strange signal, first contact, translator, probe, hive mind, telescope",
        "cryosleep, hull breach, airlock, closed ecosystem, colony, captain",
        "fleet battle, rail gun, admiral, boarding party, armistice, wave",
    ),
    _intent(
        "crime puzzles",
        "clue, suspect, alibi, inspector, murder",
        "vicarage, tea room, village fete, poisoned scone, amateur sleuth, garden party",
        "frozen fjord, cold case, bleak winter, snowbound, harbour, weary policeman",
        "jury, cross examination, defence lawyer, verdict, court, perjury",
    ),
    _intent(
        "home cooking",
        "recipe, kitchen, ingredients, flavour, supper",
        "sourdough bread, rye starter, pastry, oven, crust, flour mill",
        "curry leaf, cardamom, street food, chilli, tamarind, spice route",
        "pickled vegetables, wild garlic, foraging, cellar, root, fermentation",
    ),
    _intent(
        "slow travel",
        "passport, backpack, border crossing, itinerary, guesthouse",
        "night train, dining car, railway, sleeper carriage, station, branch line",
        "ferry, lagoon, lighthouse, harbour, coral reef, fishing boat",
        "summit, glacier, mountain hut, ridge trail, avalanche, wild camping",
    ),
    _intent(
        "living history",
        "archive, treaty, dynasty, empire, chronicle",
        "legion, senate, aqueduct, gladiator, consul, villa",
        "galleon, cartographer, mutiny, trade wind, spice route, captain",
        "double agent, checkpoint, missile, embassy, armistice, strange signal",
    ),
    _intent(
        "music making",
        "melody, concert, rehearsal, recording, rhythm",
        "saxophone, improvisation, swing, smoky club, trumpet, double bass",
        "string quartet, conductor, symphony, sonata, soprano, pitch",
        "garage band, guitar riff, feedback, mosh pit, tour van, fanzine",
    ),
    _intent(
        "outdoor sport",
        "training plan, endurance, coach, stamina, recovery",
        "marathon, tempo run, finish line, running shoes, interval, split time",
        "penalty, midfield, derby, dressing room, pitch, relegation",
        "bouldering, belay, chalk, overhang, rope, ridge trail",
    ),
    _intent(
        "romance",
        "longing, first kiss, heartbreak, wedding, love letter",
        "ballroom, duke, carriage, courtship, scandal, court",
        "small town, flower shop, snowed in, harvest fair, tea room, old flame",
        "office rival, rooftop, elevator, deadline, fake dating, text message",
    ),
    _intent(
        "magic realms",
        "spell, wizard, prophecy, kingdom, enchanted sword",
        "dragon, hoard, scale, fire breath, egg, rider",
        "academy, apprentice, potion, rival house, examination, midnight library",
        "fae bargain, thorn forest, glamour, mortal, midsummer, root",
    ),
    _intent(
        "curious science",
        "experiment, hypothesis, laboratory, evidence, theory",
        "genome, enzyme, microscope, cell, evolution, fermentation",
        "quantum, particle, relativity, black hole, wave, telescope",
        "neuron, memory, brain scan, sleep cycle, dopamine, interval",
    ),
    _intent(
        "gardening",
        "soil, seedling, pruning, compost, watering can",
        "rose bed, climbing vine, border, perfume, hybrid, garden party",
        "tomato, allotment, bean row, harvest fair, crop rotation, slug",
        "moss, bonsai, gravel, stillness, maple, spring",
    ),
    _intent(
        "money and work",
        "investor, market, profit, negotiation, budget",
        "startup, founder, prototype, pitch, runway, venture fund",
        "pension, index fund, compound interest, frugal, mortgage, savings",
        "manager, feedback, hiring, deadline, remote team, meeting",
    ),
    _intent(
        "quiet horror",
        "dread, nightmare, scream, shadow, whisper",
        "haunted house, attic, seance, ghost, creaking stair, cellar",
        "folk ritual, harvest, scarecrow, bog, village fete, thorn forest",
        "asylum, mirror, memory, insomnia, double, missing person",
    ),
    _intent(
        "calm mind",
        "meditation, breath, gratitude, habit, kindness",
        "yoga, stretch, mat, posture, balance, recovery",
        "minimalism, declutter, wardrobe, frugal, tidy, drawer",
        "grief, therapy, journal, boundary, love letter, healing",
    ),
    _intent(
        "handicraft",
        "workshop, pattern, tool bench, finish, handmade",
        "knitting, wool, needle, cable stitch, scarf, loom",
        "joinery, chisel, oak, dovetail, plane, grain",
        "pottery, glaze, kiln, clay, wheel, scale",
    ),
    _intent(
        "power and politics",
        "election, parliament, coalition, campaign, reform",
        "whistleblower, leak, cover up, editor, source, embassy",
        "revolution, barricade, manifesto, exile, prison, treaty",
        "climate, wildfire, carbon, activist, harvest, spring",
    ),
)

NOISE_WORDS = _words(
    "author, chapter, page, paperback, cover, edition, ending, opening, style, voice, tone, pace, reader, "
    "holiday, weekend, friend, sister, gift, birthday, shelf, bookshop, price, delivery, print, font, "
    "translation, series, sequel, volume, afternoon, evening, sofa, coffee, commute, rainy day, summer, "
    "bargain, library copy, audiobook, narrator, illustration, map, glossary, appendix, foreword, cast, "
    "dialogue, humour, twist, detail, character, scene, story, mood, plot, length, middle part, idea"
)

TITLE_SHAPES = (
    "The {first} and the {second}",
    "{first} at Dusk",
    "A Year of {first}",
    "Notes on {first}",
    "The Last {first}",
    "{first}, {second}",
    "Beyond the {first}",
    "My {first} Days",
)

PLAIN_TITLES = (
    "Collected Pieces",
    "A Second Look",
    "What Remains",
    "Untitled Season",
    "Everything After",
    "The Other Side",
    "Small Hours",
    "Long Way Round",
)

ITEM_SENTENCES = (
    "A book about {0} and {1}.",
    "Full of {0}, with a touch of {1}.",
    "At its heart stand {0}, {1} and {2}.",
    "Readers who care for {0} will find {1} here.",
    "It moves from {0} to {1} and comes back to {2}.",
    "Expect {0} and plenty of {1}.",
)

ITEM_NOISE_SENTENCES = (
    "This {0} comes with a new {1}.",
    "Praised for its {0} and {1}.",
    "The {0} is as good as the {1}.",
    "A {0} for every {1}.",
)

REASON_SENTENCES = (
    "I wanted {0} and got {1}, too.",
    "I picked it for the {0} and the {1}.",
    "The {0} is why I bought it, and the {1} is why I stayed.",
    "Just right when you look for {0} or {1}.",
    "Nobody writes about {0} and {1} like this.",
)

TASTE_SENTENCES = (
    "I also read anything about {0}.",
    "Next to it on my list: more {0} and {1}.",
    "Usually I am the one who goes for {0} and {1}.",
    "It made me think of {0}.",
)

ITEM_MENTIONS = (
    "There is {0} in it as well.",
    "The part on {0} was new to me.",
    "Others may like the {0}.",
)

CROWD_SENTENCES = (
    "Everybody was talking about it.",
    "It lay on the front table, so I took it.",
    "A present, not my own choice.",
    "I needed something for the journey.",
)

HABIT_SENTENCES = (
    "It stood where I always look first.",
    "I take most of what comes out there.",
)

REVIEW_NOISE_SENTENCES = (
    "The {0} could be better, the {1} is fine.",
    "Good {0}, decent {1}.",
    "I finished it with the {0}.",
    "My {0} liked the {1}.",
    "Not sure about the {0}.",
)
