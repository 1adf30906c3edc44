"""The embedded data set: made-up people and made-up films with something to find in who saw what.

It has what makes real data hard and a graph useful: most people have seen little, a few films are seen by
many, and tastes overlap in a hierarchy. Somebody who likes sea stories has seen a handful of them; which others
there are shows only through people who share some of those. No figure of a model was looked at for the
default seed while this was written.
"""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from graphrec.data.interactions import Interactions
from graphrec.deferred import pandas as pd
from graphrec.errors import InputError

__all__ = ["synthetic"]

FloatArray: TypeAlias = npt.NDArray[np.float64]
IndexArray: TypeAlias = npt.NDArray[np.int64]

# Eight genres of four shelves; a title takes its noun from the shelf, so that a reader can see the taste.
SHELVES = {
    "Mystery": (
        "Vicarage Inkwell Teacup Conservatory Butler Inheritance",
        "Detective Alibi Witness Informant Fingerprint Verdict",
        "Cipher Courier Embassy Passport Defector Dossier",
        "Safe Forger Vault Diamond Getaway Locksmith",
    ),
    "Romance": (
        "Bakery Florist Wedding Letter Bookshop Cottage",
        "Rooftop Commuter Apartment Waiter Bartender Taxi",
        "Governess Ballroom Duchess Carriage Suitor Bonnet",
        "Vineyard Postcard Ferry Lifeguard Guesthouse Lagoon",
    ),
    "Science Fiction": (
        "Starship Asteroid Airlock Colony Comet Astronaut",
        "Android Algorithm Automaton Circuit Replica Engineer",
        "Paradox Chronometer Timeline Pendulum Echo Traveller",
        "Bunker Wasteland Scavenger Convoy Greenhouse Survivor",
    ),
    "Fantasy": (
        "Dragon Wyvern Rider Hatchling Talon Ember",
        "Apprentice Spellbook Wand Familiar Potion Academy",
        "Changeling Toadstool Goblin Moonstone Briar Hollow",
        "Throne Crown Regent Banner Heir Citadel",
    ),
    "Adventure": (
        "Lighthouse Harbour Schooner Tide Captain Anchor",
        "Summit Glacier Guide Avalanche Ridge Basecamp",
        "Temple Orchid River Canopy Idol Expedition",
        "Caravan Oasis Dune Mirage Nomad Well",
    ),
    "History": (
        "Regiment Trench Bugle Armistice Medic Rifle",
        "Centurion Amphora Senator Oracle Chariot Aqueduct",
        "Spice Weaver Merchant Ledger Guild Silk",
        "Barricade Pamphlet Printer Exile Tribunal Tricolour",
    ),
    "Comedy": (
        "Intern Stapler Meeting Boss Photocopier Memo",
        "Uncle Reunion Barbecue Grandmother Babysitter Holiday",
        "Parrot Dachshund Goat Hedgehog Penguin Llama",
        "Understudy Pantomime Magician Ventriloquist Curtain Clown",
    ),
    "Horror": (
        "Attic Nursery Mirror Seance Cellar Portrait",
        "Cabin Scarecrow Raven Marsh Lantern Wolf",
        "Vampire Werewolf Mummy Leech Swarm Kraken",
        "Ritual Chapel Prophet Hymn Sacrifice Altar",
    ),
}
ADJECTIVES = (
    "Last Silent Crooked Golden Borrowed Hidden Patient Broken Distant Second Reluctant Winter "
    "Painted Hollow Honest Restless Scarlet Forgotten Paper Stolen Gentle Burning Invisible Lucky"
)
OWNERS = "Her Father's,My Sister's,Nobody's,The Widow's,The Stranger's,Everybody's,The Thief's,The Doctor's,Our Neighbour's"
PLACES = "Velmora Osterby Tarn Quillon Marrowdale Esk Harrowgate Pellam Sorrel Lindfors Kestrel Drumore"
HOURS = "at Dawn,at Noon,at Midnight,in Winter,in the Rain,by Moonlight"
AGE_GROUPS = ("18-24", "25-34", "35-44", "45-54", "55+")

GENRES = tuple(SHELVES)
NOUNS = tuple(tuple(words.split()) for shelves in SHELVES.values() for words in shelves)
N_SHELVES, SHELVES_PER_GENRE = len(NOUNS), 4
GENRE_OF = np.repeat(np.arange(len(GENRES)), SHELVES_PER_GENRE)
FRAMES = tuple(
    [f"The {word} {{}}" for word in ADJECTIVES.split()]
    + [f"{word} {{}}" for word in OWNERS.split(",")]
    + [f"The {{}} of {word}" for word in PLACES.split()]
    + [f"The {{}} {word}" for word in HOURS.split(",")]
)

# How people choose. An item's weight for a person: their liking of its shelf × its popularity.
SAME_GENRE = 0.1  # liking carried over to the other shelves of a genre
ANY_GENRE = 0.003  # and to every other shelf
SECOND_SHELF = 0.25  # share of items at home on two shelves, on the second with weight:
SECOND_WEIGHT = 0.6
HEARSAY = 0.05  # share of choices that follow popularity alone
POPULARITY_EXPONENT = 0.6  # popularity of the r-th item ~ (r + 3)^-0.6, r from 0
MIN_ROWS, ACTIVITY_EXPONENT = 5, 1.4  # P(a person has at least n rows) = (n / 5)^-1.4
RATING_SHARES = (0.05, 0.10, 0.25, 0.37, 0.23)  # of the ratings 1 to 5
FIRST_DAY, DAYS = 1_640_995_200, 1000  # 2022-01-01, in seconds, and how long the log runs
_DAY = 86_400
_BLOCK = 512  # people drawn at a time; bounds memory and changes no result


def synthetic(n_users: int = 1200, n_items: int = 900, seed: int = 0) -> tuple[Interactions, pd.DataFrame, pd.DataFrame]:
    """Make the data set; the same arguments give the same data.

    Every film has a home shelf in a genre (a quarter have two). Every person has up to two favourite shelves, often of
    one genre and depending on their age group, and sees films with a probability that grows with their liking
    of the shelf and with the popularity of the film, none twice. How much people see and how popular films
    are follow power laws. Ratings grow with liking, a film's quality and a person's mildness, with noise. A
    person's films come in random order: there is no drift.

    Parameters
    ----------
    n_users, n_items : int
        At least 1 person and 100 films. Films that nobody saw stay in the id space.
    seed : int

    Returns
    -------
    interactions : Interactions
        With ratings 1 to 5 and times in seconds; ids count from 1.
    items : DataFrame
        item_id, title (unique), genres ("Comedy|Horror"), year.
    users : DataFrame
        user_id, age_group.

    Raises
    ------
    InputError
        A number is too small.
    """
    for name, value, least in (("n_users", n_users, 1), ("n_items", n_items, 100), ("seed", seed, 0)):
        if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < least:
            raise InputError(f"{name} must be a whole number from {least} on, got {value!r}.")
    # Only uniform draws: NumPy may change how other distributions use the stream, and libraries how they round.
    rng = np.random.Generator(np.random.PCG64(seed))
    shelf_size = 0.3 + rng.random(N_SHELVES)
    home = _choose(shelf_size, rng.random(n_items))
    second = np.where(rng.random(n_items) < SECOND_SHELF, _choose(shelf_size, rng.random(n_items)), home)
    rank = np.argsort(rng.random(n_items), kind="stable")
    popularity = (rank + 3.0) ** -POPULARITY_EXPONENT
    age, favourites, share = _people(rng, n_users, shelf_size)
    users, items, liking = _choices(rng, favourites, share, _shelf_weights(home, second), popularity / popularity.sum())
    ratings = _ratings(rng, users, items, liking, n_users, n_items)
    joined = rng.random(n_users) * 0.6 * DAYS * _DAY
    stay = (0.1 + 0.3 * rng.random(n_users)) * DAYS * _DAY
    times = FIRST_DAY + (joined[users] + stay[users] * rng.random(len(users))).astype(np.int64)
    order = np.lexsort((times, users))
    interactions = Interactions(
        users[order].astype(np.int32),
        items[order].astype(np.int32),
        np.arange(1, n_users + 1, dtype=np.int64),
        np.arange(1, n_items + 1, dtype=np.int64),
        ratings[order],
        times[order],
    )
    item_table = pd.DataFrame(
        {
            "item_id": interactions.item_ids,
            "title": _titles(rng, home),
            "genres": _genres(home, second),
            "year": 2021 - np.floor(60 * rng.random(n_items) ** 2).astype(np.int64),
        }
    )
    return interactions, item_table, pd.DataFrame({"user_id": interactions.user_ids, "age_group": np.array(AGE_GROUPS)[age]})


def _choose(weights: FloatArray, draws: FloatArray) -> IndexArray:
    """An index for each uniform draw, with probability in proportion to the weights."""
    bounds = np.cumsum(weights) / np.sum(weights)
    return np.searchsorted(bounds[:-1], draws, side="right").astype(np.int64)


def _people(rng: np.random.Generator, n_users: int, shelf_size: FloatArray) -> tuple[IndexArray, IndexArray, FloatArray]:
    """Age groups (n_users,), the two favourite shelves (2, n_users), and the share of liking for the first (n_users,)."""
    age = _choose(np.array([0.2, 0.3, 0.22, 0.16, 0.12]), rng.random(n_users))
    leaning = 0.3 + 1.4 * rng.random((len(AGE_GROUPS), len(GENRES)))  # how much an age group likes a genre
    draws = rng.random((4, n_users))
    first, other = np.empty((2, n_users), np.int64)
    for group in range(len(AGE_GROUPS)):
        here = age == group
        weights = shelf_size * leaning[group, GENRE_OF]
        first[here], other[here] = _choose(weights, draws[0, here]), _choose(weights, draws[1, here])
    near = SHELVES_PER_GENRE * GENRE_OF[first] + np.floor(SHELVES_PER_GENRE * draws[2]).astype(np.int64)
    second = np.where(draws[3] < 0.5, near, other)
    strong, weak = 0.5 + rng.random(n_users), 0.25 + 0.5 * rng.random(n_users)
    return age, np.stack([first, second]), strong / (strong + weak)


def _shelf_weights(home: IndexArray, second: IndexArray) -> FloatArray:
    """How much an item counts for a liking of each shelf, shape (N_SHELVES, n_items)."""
    weights = np.full((N_SHELVES, len(home)), ANY_GENRE)
    columns = np.arange(len(home))
    for shelf, weight in ((home, 1.0), (second, SECOND_WEIGHT)):
        same_genre = GENRE_OF[:, None] == GENRE_OF[shelf]
        np.maximum(weights, weight * SAME_GENRE * same_genre, out=weights)
        weights[shelf, columns] = np.maximum(weights[shelf, columns], weight)
    return weights


def _choices(
    rng: np.random.Generator, favourites: IndexArray, share: FloatArray, shelf_weights: FloatArray, popularity: FloatArray
) -> tuple[IndexArray, IndexArray, FloatArray]:
    """Who sees what, and how much they like it: three arrays, shape (n,).

    Adding Gumbel noise to log-weights and taking the largest draws without replacement.
    """
    n_users, n_items = len(share), len(popularity)
    drawn = MIN_ROWS * (1 - rng.random(n_users)) ** (-1 / ACTIVITY_EXPONENT)
    activity = np.minimum(drawn, n_items // 8).astype(np.int64)
    found: list[tuple[IndexArray, IndexArray, FloatArray]] = []
    for start in range(0, n_users, _BLOCK):
        mine = slice(start, min(start + _BLOCK, n_users))
        liking = share[mine, None] * shelf_weights[favourites[0, mine]]
        liking += (1 - share[mine, None]) * shelf_weights[favourites[1, mine]]
        weights = liking * popularity
        weights *= (1 - HEARSAY) / weights.sum(axis=1, keepdims=True)
        weights += HEARSAY * popularity
        keys = np.log(-np.log(1 - rng.random(weights.shape))) - np.log(weights)  # smallest first
        order = np.argsort(keys, axis=1, kind="stable")[:, : activity[mine].max()]
        rows, places = np.nonzero(np.arange(order.shape[1]) < activity[mine, None])
        items = order[rows, places]
        found.append((rows + start, items, liking[rows, items]))
    users, items, liking = (np.concatenate(parts) for parts in zip(*found, strict=True))
    return users, items, liking


def _ratings(
    rng: np.random.Generator, users: IndexArray, items: IndexArray, liking: FloatArray, n_users: int, n_items: int
) -> npt.NDArray[np.float32]:
    """Ratings 1 to 5 with the shares RATING_SHARES, shape (n,)."""
    quality, mildness = rng.random(n_items), rng.random(n_users)
    noise = rng.random((3, len(users))).sum(axis=0) - 1.5
    pleasure = 0.5 * np.sqrt(liking) + 0.8 * quality[items] + 0.8 * mildness[users] + 0.5 * noise
    place = np.argsort(np.argsort(pleasure, kind="stable"), kind="stable") / len(pleasure)
    bounds = np.cumsum(RATING_SHARES)[:-1]
    return (1 + np.searchsorted(bounds, place, side="right")).astype(np.float32)


def _titles(rng: np.random.Generator, home: IndexArray) -> list[str]:
    """A title of its own for each item, with a noun from its shelf."""
    titles = np.empty(len(home), object)
    for shelf, nouns in enumerate(NOUNS):
        here = np.flatnonzero(home == shelf)
        possible = [frame.format(noun) for frame in FRAMES for noun in nouns]
        order = np.argsort(rng.random(len(possible)), kind="stable")
        for k, item in enumerate(here):
            again, which = divmod(k, len(possible))
            titles[item] = possible[order[which]] + (f" {again + 1}" if again else "")
    return list(titles)


def _genres(home: IndexArray, second: IndexArray) -> list[str]:
    pairs = zip(GENRE_OF[home], GENRE_OF[second], strict=True)
    return [GENRES[a] if a == b else f"{GENRES[a]}|{GENRES[b]}" for a, b in pairs]
