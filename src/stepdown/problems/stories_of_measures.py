"""Story frames that measure: pages, kilometres, litres, minutes, centimetres, points, files."""

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

READING = Frame(
    name="reading",
    openings=(
        start("{N} reads {x} pages of a book on Saturday.", "Start with the {x} pages read on Saturday."),
        start_groups(
            "{N} reads {y} pages of a book on each of {x} days.",
            "Multiply {x} days by {y} pages a day.",
            y=(6, 30),
        ),
    ),
    moves=(
        gain("On a train {he} reads {x} more pages.", "Add the {x} pages read on the train."),
        gain_groups(
            "At the weekend {he} reads {x} chapters of {y} pages each.",
            "Multiply {x} chapters by {y} pages to get the pages read at the weekend.",
            "Add the pages read at the weekend.",
            y=(6, 25),
        ),
        gain("On a rainy day {he} reads another {x} pages.", "Add the {x} pages read on the rainy day."),
        gain("In bed {he} reads {x} pages.", "Add the {x} pages read in bed."),
    ),
    endings=(
        ask("How many pages of the book does {N} read in all?"),
        lack(
            "The book has {x} pages. How many pages are left to read?",
            "Subtract the pages read from the {x} pages of the book.",
        ),
        times(
            "Each page takes {him} {x} minutes. How many minutes does {he} spend reading?",
            "Multiply by {x} minutes for each page.",
            (2, 5),
        ),
        share(
            "{M} reads just as many pages in {x} days, the same number every day. How many pages a day does {M} read?",
            "Divide by {x} days.",
        ),
    ),
    asides=("The book cost ${d}.", "{His} brother owns {d} comics."),
)

ROAD_TRIP = Frame(
    name="road trip",
    openings=(
        start("{N} drives {x} kilometres before lunch.", "Start with the {x} kilometres before lunch.", (30, 200)),
        start_groups(
            "{N} drives for {x} hours at {y} kilometres an hour.",
            "Multiply {x} hours by {y} kilometres an hour.",
            (2, 6),
            (40, 90),
        ),
    ),
    moves=(
        gain("After a break {he} drives {x} kilometres more.", "Add the {x} kilometres after the break."),
        gain("A closed bridge makes {him} drive another {x} kilometres.", "Add the {x} kilometres for the bridge."),
        gain_groups(
            "In the hills {he} drives for {x} hours at {y} kilometres an hour.",
            "Multiply {x} hours by {y} kilometres an hour to get the distance in the hills.",
            "Add the distance in the hills.",
            (2, 5),
            (20, 50),
        ),
        gain("At dusk {he} drives the last {x} kilometres of the day.", "Add the last {x} kilometres of the day."),
    ),
    endings=(
        ask("How many kilometres does {N} drive in all?"),
        lack(
            "The whole route is {x} kilometres long. How many kilometres are left?",
            "Subtract the distance driven from the {x} kilometres of the route.",
            (20, 200),
        ),
        share(
            "{His} car uses one litre of fuel for every {x} kilometres. How many litres does it use?",
            "Divide by the {x} kilometres for each litre.",
            (5, 20),
        ),
        Move(
            "{M} drives {x} kilometres more than {N}. How many kilometres do they drive together?",
            (
                Step("Add {x} to get the kilometres of {M}.", "t=s+x"),
                Step("Add the kilometres of {N} and of {M}.", "s=s+t"),
            ),
            (10, 90),
        ),
    ),
    asides=("{His} car is {d} years old.", "The radio plays {d} songs."),
)

TANK = Frame(
    name="tank",
    items=things("buckets", "cans", "barrels", "jars"),
    openings=(
        start("A tank has {x} litres of water in it.", "Start with the {x} litres in the tank.", (60, 300)),
        start_groups(
            "{N} fills an empty tank with {x} {items} of {y} litres each.",
            "Multiply {x} {items} by {y} litres for each.",
            (5, 15),
            (6, 20),
        ),
    ),
    moves=(
        gain("Rain adds {x} litres.", "Add the {x} litres of rain."),
        lose_groups(
            "{N} takes out {x} pots of {y} litres each.",
            "Multiply {x} pots by {y} litres to get what is taken out.",
            "Subtract the litres taken out.",
        ),
        lose("Through a leak {x} litres run out.", "Subtract the {x} litres that run out."),
        gain_groups(
            "A pump runs for {x} minutes and adds {y} litres a minute.",
            "Multiply {x} minutes by {y} litres a minute to get what the pump adds.",
            "Add the litres from the pump.",
        ),
    ),
    endings=(
        ask("How many litres of water are in the tank now?"),
        lack(
            "The tank can hold {x} litres. How many more litres fit into it?",
            "Subtract the litres in the tank from the {x} litres it can hold.",
        ),
        share(
            "All the water in the tank is poured into bottles of {x} litres each. How many bottles are filled?",
            "Divide by the {x} litres of each bottle.",
        ),
    ),
    asides=("The tank stands {d} metres from the house.", "The garden has {d} bushes."),
)

TRAINING = Frame(
    name="training",
    openings=(
        start("{N} runs for {x} minutes on Monday.", "Start with the {x} minutes of running on Monday."),
        start_groups(
            "{N} runs for {y} minutes on each of {x} days of a week.",
            "Multiply {x} days by {y} minutes a day.",
            (2, 5),
            (10, 45),
        ),
    ),
    moves=(
        gain("{He} swims for {x} minutes that week.", "Add the {x} minutes of swimming."),
        gain_groups(
            "{He} does {x} exercises of {y} minutes each that week.",
            "Multiply {x} exercises by {y} minutes to get the time for exercises.",
            "Add the time for exercises.",
        ),
        gain("On Sunday {he} rides a bike for {x} minutes.", "Add the {x} minutes on the bike."),
        times(
            "{He} does all of this in each of {x} weeks.",
            "Multiply by {x} weeks.",
            (2, 6),
        ),
    ),
    endings=(
        ask("How many minutes does {N} train in all?"),
        lack(
            "{His} goal is to train for {x} minutes in all. How many minutes are still missing?",
            "Subtract the minutes of training from the goal of {x} minutes.",
        ),
        times(
            "Each minute of training burns {x} calories. How many calories does {he} burn in all?",
            "Multiply by {x} calories for each minute.",
            (4, 12),
        ),
    ),
    asides=("{His} shoes cost ${d}.", "{His} club has {d} members."),
)

RIBBON = Frame(
    name="ribbon",
    items=things("ribbon", "rope", "string", "wire", "thread"),
    openings=(
        start("{N} has {x} centimetres of {item}.", "Start with the {x} centimetres of {item}.", (60, 300)),
        start_groups(
            "{N} has {x} rolls of {item}, each with {y} centimetres on it.",
            "Multiply {x} rolls by {y} centimetres for each roll.",
            y=(20, 60),
        ),
    ),
    moves=(
        lose("{He} cuts off {x} centimetres for a kite.", "Subtract the {x} centimetres for the kite."),
        gain("Then {M} gives {him} another {x} centimetres.", "Add the {x} centimetres from {M}."),
        lose_groups(
            "{He} uses {x} pieces of {y} centimetres each to tie up boxes.",
            "Multiply {x} pieces by {y} centimetres to get the length used for boxes.",
            "Subtract the length used for boxes.",
            y=(4, 15),
        ),
        gain_groups(
            "In a drawer {he} finds {x} more pieces of {y} centimetres each.",
            "Multiply {x} pieces by {y} centimetres to get the length found in the drawer.",
            "Add the length found in the drawer.",
            y=(4, 15),
        ),
    ),
    endings=(
        ask("How many centimetres of {item} does {N} have now?"),
        share(
            "{He} cuts all {his} {item} into pieces of {x} centimetres. How many pieces does {he} get?",
            "Divide by the {x} centimetres of each piece.",
        ),
        lack(
            "{He} needs {x} centimetres of {item} for a project. How many more centimetres does {he} need?",
            "Subtract the length there is from the {x} centimetres needed.",
        ),
    ),
    asides=("{His} scissors cost ${d}.", "The work takes {d} minutes."),
)

GAME = Frame(
    name="game",
    items=things("stars", "keys/key", "gems", "flags"),
    openings=(
        start("{N} scores {x} points in the first round of a game.", "Start with the {x} points of the first round."),
        start_groups(
            "{N} finds {x} {items} in a game, and each {item} is worth {y} points.",
            "Multiply {x} {items} by {y} points for each.",
        ),
    ),
    moves=(
        gain("In the next round {he} scores {x} points.", "Add the {x} points of the next round."),
        lose("{He} loses {x} points for a mistake.", "Subtract the {x} points lost for the mistake."),
        gain_groups(
            "{He} solves {x} riddles for {y} points each.",
            "Multiply {x} riddles by {y} points to get the points for riddles.",
            "Add the points for riddles.",
        ),
        times("A magic card multiplies {his} score by {x}.", "Multiply by the {x} of the magic card.", (2, 4)),
        lose_groups(
            "{He} falls into {x} traps and loses {y} points each time.",
            "Multiply {x} traps by {y} points to get the points lost in traps.",
            "Subtract the points lost in traps.",
        ),
    ),
    endings=(
        ask("How many points does {N} have now?"),
        lack(
            "The record is {x} points. How many more points does {he} need to reach the record?",
            "Subtract the points {N} has from the {x} points of the record.",
        ),
        Move(
            "{M} has {x} points more than {N}. How many points do {N} and {M} have together?",
            (
                Step("Add {x} to get the points of {M}.", "t=s+x"),
                Step("Add the points of {N} and of {M}.", "s=s+t"),
            ),
            (5, 60),
        ),
    ),
    asides=("The game takes {d} minutes.", "{N} is {d} years old."),
)

PHONE = Frame(
    name="phone",
    items=things("photos", "songs", "videos"),
    openings=(
        start("{N} has {x} {items} on a phone.", "Start with the {x} {items} on the phone.", (30, 200)),
        start_groups(
            "{N} has {x} folders on a phone, with {y} {items} in each folder.",
            "Multiply {x} folders by {y} {items} in each folder.",
        ),
    ),
    moves=(
        gain("On a trip {he} adds {x} more.", "Add the {x} {items} of the trip."),
        lose("{He} deletes {x} of the {items}.", "Subtract the {x} deleted {items}."),
        gain_groups(
            "Then {x} friends send {him} {y} {items} each.",
            "Multiply {x} friends by {y} {items} to get what they send.",
            "Add the {items} from the friends.",
        ),
        lose("{He} moves {x} {items} from the phone to a computer.", "Subtract the {x} {items} moved to the computer."),
    ),
    endings=(
        ask("How many {items} are on the phone now?"),
        times(
            "Each of the {items} on the phone takes up {x} megabytes. How many megabytes do they take up together?",
            "Multiply by {x} megabytes for each.",
        ),
        share(
            "{He} sorts all the {items} on the phone into groups of {x}. How many groups are there?",
            "Divide by the {x} {items} in each group.",
        ),
        lack(
            "The phone has room for {x} {items}. How many more {items} fit on it?",
            "Subtract the {items} on the phone from the {x} that fit.",
        ),
    ),
    asides=("The case of the phone cost ${d}.", "The battery lasts {d} hours."),
)

FRAMES = (READING, ROAD_TRIP, TANK, TRAINING, RIBBON, GAME, PHONE)
