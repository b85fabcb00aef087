"""Make sentences.txt again: ``python data/make_sentences.py [FOLDER]``. Same bytes each time.

Sentences of a small made-up world: who is what (a king is a man who rules), which animal lives where, which
city is the capital of which country, and what is eaten when. Words of one kind come in the same places,
words that belong together in the same sentences: that is all that word2vec needs.
"""

import random
import sys
from pathlib import Path

PEOPLE = {
    "man": ("he", "his"), "woman": ("she", "her"), "boy": ("he", "his"), "girl": ("she", "her"),
    "king": ("he", "his"), "queen": ("she", "her"), "prince": ("he", "his"), "princess": ("she", "her"),
    "father": ("he", "his"), "mother": ("she", "her"), "son": ("he", "his"), "daughter": ("she", "her"),
    "brother": ("he", "his"), "sister": ("she", "her"), "uncle": ("he", "his"), "aunt": ("she", "her"),
}  # fmt: skip
YOUNG = {"boy", "girl", "prince", "princess", "son", "daughter"}
ROYAL = {"king", "queen", "prince", "princess"}
FAMILY = {"father", "mother", "son", "daughter", "brother", "sister", "uncle", "aunt"}
CLOTHES = {"he": ("beard", "coat", "tie"), "she": ("dress", "necklace", "skirt")}
CAPITALS = {
    "France": "Paris", "Italy": "Rome", "Japan": "Tokyo", "Egypt": "Cairo", "Spain": "Madrid",
    "Greece": "Athens", "Austria": "Vienna", "Norway": "Oslo", "Peru": "Lima", "Cuba": "Havana",
}  # fmt: skip
LANGUAGES = {
    "France": "French", "Italy": "Italian", "Japan": "Japanese", "Egypt": "Arabic", "Spain": "Spanish",
    "Greece": "Greek", "Austria": "German", "Norway": "Norwegian", "Peru": "Spanish", "Cuba": "Spanish",
}  # fmt: skip
ANIMALS = {
    "sea": ("whale", "shark", "dolphin", "octopus"), "forest": ("bear", "wolf", "deer", "fox"),
    "farm": ("cow", "pig", "hen", "horse"), "house": ("cat", "dog", "mouse", "parrot"),
}  # fmt: skip
DEEDS = {
    "sea": ("swims", "dives"), "forest": ("hunts", "hides"), "farm": ("grazes", "rests"),
    "house": ("sleeps", "plays"),
}  # fmt: skip
MEALS = {
    "morning": ("bread", "honey", "milk", "porridge"), "evening": ("soup", "rice", "fish", "wine"),
    "summer": ("cherries", "melons", "ice", "lemonade"), "winter": ("chestnuts", "cabbage", "tea", "stew"),
}  # fmt: skip
SENTENCES = 6000


def about_people(rng: random.Random) -> str:
    """Someone, by age, rank, family and sex."""
    who = rng.choice(list(PEOPLE))
    pronoun, his = PEOPLE[who]
    ways = [
        f"the {who} puts on {his} {rng.choice(CLOTHES[pronoun])}",
        f"the {who} says that {pronoun} has lost {his} {rng.choice(CLOTHES[pronoun])}",
        f"{pronoun} is a {who} and {pronoun} likes {his} {rng.choice(CLOTHES[pronoun])}",
    ]
    if who in YOUNG:
        ways += [
            f"the {who} goes to school with {his} small bag",
            f"the young {who} plays with {his} toys",
        ] * 2
    else:
        ways += [f"the {who} goes to work with {his} big bag", f"the grown {who} pays {his} taxes"] * 2
    if who in ROYAL:
        ways += [f"the {who} lives in the royal palace", f"the {who} wears {his} golden crown"] * 3
        ways += [f"the people greet the {who} at the throne"] * 3
    elif who in FAMILY:
        ways += [f"the {who} writes to {his} family", f"my {who} visits {his} cousins at the feast"] * 3
    return rng.choice(ways)


def about_countries(rng: random.Random) -> str:
    """A country with its capital and its language."""
    country = rng.choice(list(CAPITALS))
    city, language = CAPITALS[country], LANGUAGES[country]
    return rng.choice([
        f"{city} is the capital of {country}", f"the train to {city} crosses the border of {country}",
        f"the government of {country} meets in {city}", f"people in {country} speak {language}",
        f"in the streets of {city} you hear {language}", f"the embassy in {city} stamps visas for {country}",
        f"the army of {country} has many flags", f"the mayor of {city} opens the new metro station",
    ])  # fmt: skip


def about_animals(rng: random.Random) -> str:
    """An animal and where it lives."""
    place = rng.choice(list(ANIMALS))
    animal, deed = rng.choice(ANIMALS[place]), rng.choice(DEEDS[place])
    return rng.choice([
        f"the {animal} {deed} in the {place}", f"a {animal} lives in the {place} where it {deed}",
        f"we saw a {animal} near the {place}", f"the hungry {animal} {deed} all day in the {place}",
    ])  # fmt: skip


def about_meals(rng: random.Random) -> str:
    """What is eaten when."""
    time = rng.choice(list(MEALS))
    first, second = rng.sample(MEALS[time], 2)
    return rng.choice([
        f"in the {time} we have {first} and {second}", f"there is {first} on the table in the {time}",
        f"they bring {first} with {second} every {time}",
    ])  # fmt: skip


def main(folder: Path) -> None:
    """Write sentences.txt, a sentence a line."""
    rng = random.Random(1)
    kinds = [about_people, about_people, about_countries, about_animals, about_meals]
    lines = [rng.choice(kinds)(rng) for _ in range(SENTENCES)]
    (folder / "sentences.txt").write_text("\n".join(lines) + "\n", encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent)
