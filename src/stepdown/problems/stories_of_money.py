"""Story frames of money: savings, shopping, a school fair."""

from stepdown.problems.stories import (
    Frame,
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
)

SAVINGS = Frame(
    name="savings",
    items=things("comics", "notebooks", "sandwiches/sandwich", "posters"),
    openings=(
        start("{N} has ${x} in a savings box.", "Start with the ${x} in the savings box.", (40, 200)),
        start_groups(
            "{N} saves ${y} a week for {x} weeks.",
            "Multiply {x} weeks by ${y} a week.",
            y=(8, 30),
        ),
    ),
    moves=(
        gain("{His} grandmother gives {him} ${x}.", "Add the ${x} from {his} grandmother."),
        lose("{He} spends ${x} on a present for {M}.", "Subtract the ${x} spent on the present."),
        gain_groups(
            "{He} mows lawns for {x} hours and earns ${y} an hour.",
            "Multiply {x} hours by ${y} an hour to get what {he} earns.",
            "Add the money earned.",
            y=(5, 15),
        ),
        lose_groups(
            "{He} buys {x} {items} for ${y} each.",
            "Multiply {x} {items} by ${y} to get what they cost.",
            "Subtract the cost of the {items}.",
        ),
        lose("{He} pays ${x} for a haircut.", "Subtract the ${x} for the haircut.", (8, 25)),
    ),
    endings=(
        ask("How many dollars does {N} have now?"),
        lack(
            "{He} wants to buy a bicycle that costs ${x}. How many more dollars does {he} need?",
            "Subtract the money there is from the ${x} the bicycle costs.",
            (10, 120),
        ),
        share(
            "{He} puts all {his} money into {x} envelopes, the same amount in each. "
            "How many dollars are in each envelope?",
            "Divide by the {x} envelopes.",
        ),
    ),
    asides=("The nearest bank is {d} minutes away.", "{M} is {d} years old."),
)

SHOPPING = Frame(
    name="shopping",
    items=things("T-shirts", "books", "plates", "candles", "puzzles"),
    openings=(
        start("{N} buys a jacket for ${x}.", "Start with the ${x} for the jacket.", (30, 120)),
        start_groups("{N} buys {x} {items} for ${y} each.", "Multiply {x} {items} by ${y} for each."),
    ),
    moves=(
        gain("{He} also buys a bag for ${x}.", "Add the ${x} for the bag."),
        gain_groups(
            "{He} takes {x} pairs of socks at ${y} a pair.",
            "Multiply {x} pairs by ${y} to get the cost of the socks.",
            "Add the cost of the socks.",
        ),
        lose("A coupon takes ${x} off the bill.", "Subtract the ${x} of the coupon."),
        gain_groups(
            "{He} adds {x} cups of tea at ${y} each.",
            "Multiply {x} cups by ${y} to get the cost of the tea.",
            "Add the cost of the tea.",
            (2, 5),
            (2, 6),
        ),
        gain("Delivery costs another ${x}.", "Add the ${x} for delivery.", (4, 15)),
    ),
    endings=(
        ask("How many dollars does {N} pay in all?"),
        lack(
            "{He} pays with ${x}. How many dollars does {he} get back?",
            "Subtract the bill from the ${x} paid.",
        ),
        share(
            "The bill is shared equally among {x} people. How many dollars does each person pay?",
            "Divide by the {x} people.",
        ),
    ),
    asides=("The shop is {d} kilometres away.", "There are {d} people in the queue."),
)

FAIR = Frame(
    name="fair",
    items=things("cups of juice/cup of juice", "sandwiches/sandwich", "cookies/cookie", "balloons"),
    openings=(
        start("A school fair starts with ${x} from last year.", "Start with the ${x} from last year.", (40, 250)),
        start_groups("A school fair sells {x} tickets for ${y} each.", "Multiply {x} tickets by ${y}.", (20, 60)),
    ),
    moves=(
        gain_groups(
            "It sells {x} {items} for ${y} each.",
            "Multiply {x} {items} by ${y} to get what they bring in.",
            "Add the money from the {items}.",
            (10, 40),
            (2, 5),
        ),
        gain("A raffle brings in ${x}.", "Add the ${x} from the raffle."),
        lose("Renting chairs costs ${x}.", "Subtract the ${x} for the chairs.", (10, 40)),
        lose_groups(
            "The fair pays {x} musicians ${y} each.",
            "Multiply {x} musicians by ${y} to get what they are paid.",
            "Subtract the pay of the musicians.",
            (2, 4),
            (5, 15),
        ),
    ),
    endings=(
        ask("How many dollars does the fair have in the end?"),
        share(
            "The money is divided equally among {x} clubs. How many dollars does each club get?",
            "Divide by the {x} clubs.",
        ),
        lack(
            "The school needs ${x} for a new playground. How many more dollars does it need?",
            "Subtract the money there is from the ${x} needed.",
            (30, 300),
        ),
    ),
    asides=("The fair opens {d} minutes late.", "The school has {d} teachers."),
)

FRAMES = (SAVINGS, SHOPPING, FAIR)
