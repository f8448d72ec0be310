"""Story frames at home: fruit, stickers, pencils, flowers, eggs, slices."""

from stepdown.problems.stories import (
    Frame,
    Move,
    Step,
    ask,
    gain,
    gain_groups,
    lack,
    lose,
    lose_groups,
    share,
    start,
    start_groups,
    things,
    times,
)

ORCHARD = Frame(
    name="orchard",
    items=things("apples", "pears", "plums", "lemons", "oranges"),
    openings=(
        start("{N} picks {x} {items} in the morning.", "Start with the {x} {items} picked in the morning."),
        start_groups(
            "{N} picks {items} from {x} trees and gets {y} {items} from each tree.",
            "Multiply the {x} trees by {y} {items} for each tree.",
        ),
    ),
    moves=(
        gain("After lunch {he} picks {x} more.", "Add the {x} {items} picked after lunch."),
        lose("{He} finds that {x} of the {items} are rotten and throws them away.", "Subtract the {x} rotten {items}."),
        gain_groups(
            "A neighbour brings {x} baskets with {y} {items} in each basket.",
            "Multiply {x} baskets by {y} {items} to get what the neighbour brings.",
            "Add the {items} from the neighbour.",
        ),
        lose("{He} uses {x} {items} to bake cakes.", "Subtract the {x} {items} used for the cakes."),
        lose_groups(
            "{He} gives {y} {items} to each of {his} {x} cousins.",
            "Multiply {x} cousins by {y} {items} to get what the cousins receive.",
            "Subtract the {items} given to the cousins.",
        ),
    ),
    endings=(
        ask("How many {items} does {N} have at the end?"),
        share(
            "{He} packs all {his} {items} into bags of {x}. How many bags does {he} fill?",
            "Divide by the {x} {items} that go into each bag.",
        ),
        times(
            "{He} sells all {his} {items} for ${x} each. How many dollars does {he} get?",
            "Multiply by the price of ${x} for each.",
        ),
        lack(
            "{He} wants to have {x} {items} for a party. How many more {items} does {he} need?",
            "Subtract what there is from the {x} {items} wanted for the party.",
        ),
    ),
    asides=("The oldest tree is {d} years old.", "The path to the trees is {d} metres long."),
)

COLLECTION = Frame(
    name="collection",
    items=things("stickers", "stamps", "marbles", "shells", "coins", "postcards"),
    openings=(
        start("{N} has {x} {items} in a collection.", "Start with the {x} {items} in the collection."),
        start_groups(
            "{N} keeps a collection of {items} in {x} boxes, with {y} {items} in each box.",
            "Multiply {x} boxes by {y} {items} in each box.",
        ),
    ),
    moves=(
        gain("For {his} birthday {he} gets {x} new {items}.", "Add the {x} {items} from the birthday."),
        lose("{He} gives {x} {items} to {M}.", "Subtract the {x} {items} given to {M}."),
        gain_groups(
            "{He} buys {x} packs with {y} {items} in each pack.",
            "Multiply {x} packs by {y} {items} to get what {N} buys.",
            "Add the {items} from the packs.",
        ),
        lose("On the way home {he} loses {x} {items}.", "Subtract the {x} {items} lost on the way home."),
        times(
            "Over the next year the collection grows to {x} times its size.",
            "Multiply by {x}, since the collection grows to {x} times its size.",
            (2, 4),
        ),
    ),
    endings=(
        ask("How many {items} does {N} have now?"),
        share(
            "{He} puts all the {items} into an album, {x} on each page. How many pages does {he} fill?",
            "Divide by the {x} {items} on each page.",
        ),
        lack(
            "{He} wants to own {x} {items}. How many more {items} does {he} need?",
            "Subtract what there is from the {x} {items} wanted.",
        ),
        Move(
            "{M} has {x} times as many {items} as {N} has now. How many {items} do {N} and {M} have together?",
            (
                Step("Multiply by {x} to get the {items} of {M}.", "t=s*x"),
                Step("Add the {items} of {N} and the {items} of {M}.", "s=s+t"),
            ),
            (2, 5),
        ),
    ),
    asides=("{His} sister is {d} years old.", "{His} favourite shelf is {d} centimetres wide."),
)

CLASSROOM = Frame(
    name="classroom",
    items=things("pencils", "pens", "crayons", "erasers", "rulers"),
    openings=(
        start("{N}, a teacher, has {x} {items} in a cupboard.", "Start with the {x} {items} in the cupboard."),
        start_groups(
            "{N}, a teacher, buys {x} boxes of {items}, with {y} {items} in each box.",
            "Multiply {x} boxes by {y} {items} in each box.",
        ),
    ),
    moves=(
        gain("A parent brings {x} more {items}.", "Add the {x} {items} the parent brings."),
        lose("{He} gives {x} {items} to another class.", "Subtract the {x} {items} given to the other class."),
        gain_groups(
            "The school sends {x} packs of {y} {items}.",
            "Multiply {x} packs by {y} {items} to get what the school sends.",
            "Add the {items} from the school.",
        ),
        lose_groups(
            "{He} hands out {y} {items} to each of {x} pupils to keep.",
            "Multiply {x} pupils by {y} {items} to get what is handed out.",
            "Subtract the {items} handed out.",
        ),
        lose("By the end of the week {x} {items} are broken.", "Subtract the {x} broken {items}."),
    ),
    endings=(
        ask("How many good {items} does {N} have now?"),
        share(
            "{He} divides all the good {items} equally among {x} tables. How many {items} does each table get?",
            "Divide by the {x} tables.",
        ),
        lack(
            "{He} needs {x} good {items} for an exam. How many more {items} does {he} need?",
            "Subtract what there is from the {x} {items} needed for the exam.",
        ),
    ),
    asides=("There are {d} chairs in the classroom.", "Each lesson lasts {d} minutes."),
)

GARDEN = Frame(
    name="garden",
    items=things("tulips", "roses", "daisies/daisy", "lilies/lily", "sunflowers"),
    openings=(
        start("{N} plants {x} {items} in a garden.", "Start with the {x} {items} planted first."),
        start_groups(
            "{N} plants {x} rows of {items} in a garden, with {y} {items} in each row.",
            "Multiply {x} rows by {y} {items} in each row.",
        ),
    ),
    moves=(
        gain("A week later {he} plants {x} more.", "Add the {x} {items} planted a week later."),
        lose("Snails eat {x} of the {items}.", "Subtract the {x} {items} eaten by snails."),
        gain_groups(
            "Along the fence {he} adds {x} rows of {y} {items}.",
            "Multiply {x} rows by {y} {items} to get how many stand along the fence.",
            "Add the {items} along the fence.",
        ),
        lose("{He} cuts {x} {items} for {his} mother.", "Subtract the {x} {items} cut for {his} mother."),
        gain("Then {M} comes and plants another {x} {items}.", "Add the {x} {items} {M} plants."),
    ),
    endings=(
        ask("How many {items} are growing in the garden now?"),
        share(
            "{He} cuts all the {items} that are left and ties them into bunches of {x}. How many bunches are there?",
            "Divide by the {x} {items} in each bunch.",
        ),
        times(
            "Each of the {items} in the garden needs {x} cups of water a week. "
            "How many cups of water do they need each week?",
            "Multiply by {x} cups of water for each.",
        ),
    ),
    asides=("The garden is {d} metres wide.", "It rained on {d} days that season."),
)

EGGS = Frame(
    name="eggs",
    openings=(
        start("{N} collects {x} eggs from the hens.", "Start with the {x} eggs collected."),
        start_groups(
            "{N} has {x} hens, and each hen lays {y} eggs over two weeks.",
            "Multiply {x} hens by {y} eggs for each hen.",
        ),
    ),
    moves=(
        gain("{He} also has {x} eggs from the month before.", "Add the {x} eggs from the month before."),
        lose("{He} drops a bowl and breaks {x} eggs.", "Subtract the {x} broken eggs."),
        lose_groups(
            "{He} bakes {x} cakes with {y} eggs in each cake.",
            "Multiply {x} cakes by {y} eggs to get the eggs used for baking.",
            "Subtract the eggs used for baking.",
        ),
        gain("A friend gives {him} {x} eggs.", "Add the {x} eggs from the friend."),
        lose("{His} family eats {x} eggs for breakfast.", "Subtract the {x} eggs eaten for breakfast."),
    ),
    endings=(
        ask("How many eggs does {N} have now?"),
        share(
            "{He} puts all {his} eggs into cartons of {x}. How many cartons does {he} fill?",
            "Divide by the {x} eggs that go into each carton.",
        ),
        times(
            "{He} sells all {his} eggs for ${x} each. How many dollars does {he} get?",
            "Multiply by the price of ${x} for each egg.",
            (2, 4),
        ),
    ),
    asides=("The henhouse is {d} years old.", "{His} rooster wakes the village {d} times a month."),
)

PARTY = Frame(
    name="party",
    items=things("pizzas", "cakes", "pies", "melons"),
    openings=(
        start("{N} puts {x} slices of {item} on a table for a party.", "Start with the {x} slices on the table."),
        start_groups(
            "For a party, {N} cuts {x} {items} into {y} slices each and puts them on a table.",
            "Multiply {x} {items} by {y} slices for each.",
            y=(4, 12),
        ),
    ),
    moves=(
        gain("Then {M} brings {x} more slices to the table.", "Add the {x} slices {M} brings."),
        lose_groups(
            "The first {x} guests eat {y} slices each.",
            "Multiply {x} guests by {y} slices to get what they eat.",
            "Subtract the slices the guests eat.",
        ),
        lose("A dog steals {x} slices.", "Subtract the {x} slices the dog steals."),
        gain_groups(
            "A late guest adds {x} boxes with {y} slices in each box.",
            "Multiply {x} boxes by {y} slices to get what the late guest adds.",
            "Add the slices of the late guest.",
        ),
    ),
    endings=(
        ask("How many slices are on the table now?"),
        share(
            "The slices on the table are then shared equally among {x} people. How many slices does each person get?",
            "Divide by the {x} people.",
        ),
        lack(
            "{N} wants to have {x} slices on the table. How many more slices does {he} need?",
            "Subtract the slices on the table from the {x} slices wanted.",
        ),
    ),
    asides=("{N} turns {d} years old that day.", "The music plays for {d} minutes."),
)

FRAMES = (ORCHARD, COLLECTION, CLASSROOM, GARDEN, EGGS, PARTY)
