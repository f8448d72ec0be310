"""Story frames in town: rolls, passengers, chairs, cars, trees, visitors."""

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

BAKERY = Frame(
    name="bakery",
    items=things("rolls", "muffins", "bagels", "buns", "pies"),
    openings=(
        start("{N} bakes {x} {items} early in the morning.", "Start with the {x} {items} baked in the morning."),
        start_groups(
            "{N} bakes {x} trays of {items}, with {y} {items} on each tray.",
            "Multiply {x} trays by {y} {items} on each tray.",
        ),
    ),
    moves=(
        gain("At noon {he} bakes {x} more.", "Add the {x} {items} baked at noon."),
        lose("Sadly, {x} {items} burn and must be thrown away.", "Subtract the {x} burnt {items}."),
        lose_groups(
            "Then {x} customers come in and buy {y} {items} each.",
            "Multiply {x} customers by {y} {items} to get what they buy.",
            "Subtract the {items} the customers buy.",
        ),
        gain("A helper brings {x} {items} from another shop.", "Add the {x} {items} from the other shop."),
        lose("A school picks up an order of {x} {items}.", "Subtract the {x} {items} of the school's order."),
    ),
    endings=(
        ask("How many {items} are in the bakery now?"),
        times(
            "Then {he} sells all the {items} in the bakery for ${x} each. How many dollars does {he} take in?",
            "Multiply by the price of ${x} for each.",
        ),
        share(
            "{He} packs all the {items} in the bakery into boxes of {x}. How many boxes does {he} fill?",
            "Divide by the {x} {items} that go into each box.",
        ),
    ),
    asides=("The bakery opened {d} years ago.", "A big bag of flour costs ${d}."),
)

PASSENGERS = Frame(
    name="passengers",
    items=things("buses/bus", "trams", "trains"),
    openings=(
        start("A {item} sets off with {x} passengers on board.", "Start with the {x} passengers on board."),
        start_groups(
            "A {item} sets off with {x} groups of {y} passengers on board.",
            "Multiply {x} groups by {y} passengers.",
        ),
    ),
    moves=(
        gain("At the first stop {x} people get on.", "Add the {x} people who get on at the first stop."),
        lose("At the market {x} people get off.", "Subtract the {x} people who get off at the market."),
        gain_groups(
            "At the school {x} groups of {y} children get on.",
            "Multiply {x} groups by {y} children to get how many children get on.",
            "Add the children.",
            y=(3, 12),
        ),
        gain("At the bridge another {x} people get on.", "Add the {x} people who get on at the bridge."),
        lose("At the hospital {x} people get off.", "Subtract the {x} people who get off at the hospital."),
    ),
    endings=(
        ask("How many passengers are on the {item} now?"),
        times(
            "Every passenger now on board pays ${x}. How many dollars do they pay together?",
            "Multiply by the ${x} that each passenger pays.",
        ),
        lack(
            "The {item} has room for {x} passengers. How many places are free?",
            "Subtract the passengers on board from the {x} places.",
        ),
    ),
    asides=("The driver is {d} years old.", "The whole trip takes {d} minutes."),
)

WORKSHOP = Frame(
    name="workshop",
    items=things("chairs", "tables", "lamps", "toys", "clocks"),
    openings=(
        start("A workshop makes {x} {items} on Monday.", "Start with the {x} {items} made on Monday."),
        start_groups(
            "A workshop makes {y} {items} a day for {x} days.",
            "Multiply {x} days by {y} {items} a day.",
        ),
    ),
    moves=(
        gain("A second workshop makes {x} more and sends them over.", "Add the {x} {items} from the second workshop."),
        gain_groups(
            "The night shift makes {y} {items} an hour for {x} hours.",
            "Multiply {x} hours by {y} {items} an hour to get what the night shift makes.",
            "Add the {items} of the night shift.",
        ),
        lose("In a test {x} of the {items} break and are thrown away.", "Subtract the {x} {items} that break."),
        lose_groups(
            "Then {x} shops order {y} {items} each, and the orders are sent out.",
            "Multiply {x} shops by {y} {items} to get what is sent out.",
            "Subtract the {items} sent out.",
        ),
    ),
    endings=(
        ask("How many {items} are in stock now?"),
        share(
            "All the {items} in stock are loaded onto vans, {x} on each van. How many vans are filled?",
            "Divide by the {x} {items} on each van.",
        ),
        times(
            "Each of the {items} in stock is sold for ${x}. How many dollars does that bring in?",
            "Multiply by the price of ${x} for each.",
            (5, 40),
        ),
    ),
    asides=("The workshop has {d} windows.", "The owner has worked there for {d} years."),
)

CAR_PARK = Frame(
    name="car park",
    openings=(
        start(
            "Early in the morning there are {x} cars in a car park.", "Start with the {x} cars of the early morning."
        ),
        start_groups(
            "A car park has {x} floors, with {y} cars parked on each floor.",
            "Multiply {x} floors by {y} cars on each floor.",
        ),
    ),
    moves=(
        gain("Before noon {x} more cars drive in.", "Add the {x} cars that drive in before noon."),
        lose("At noon {x} cars leave.", "Subtract the {x} cars that leave at noon."),
        gain_groups(
            "In the afternoon {x} groups of {y} cars arrive for a wedding.",
            "Multiply {x} groups by {y} cars to get the cars of the wedding.",
            "Add the cars of the wedding.",
        ),
        lose("Later {x} cars are towed away.", "Subtract the {x} cars towed away."),
        gain("In the evening {x} cars come for a concert.", "Add the {x} cars that come for the concert."),
    ),
    endings=(
        ask("How many cars are in the car park now?"),
        times(
            "For each car now in the car park, the driver pays ${x}. How many dollars is that in all?",
            "Multiply by the ${x} paid for each car.",
        ),
        lack(
            "The car park has room for {x} cars. How many places are free?",
            "Subtract the cars in the car park from the {x} places.",
        ),
    ),
    asides=("The guard is {d} years old.", "The nearest station is {d} minutes away on foot."),
)

TREES = Frame(
    name="trees",
    items=things("oaks", "birches/birch", "maples", "pines"),
    openings=(
        start("The children of a village plant {x} {items}.", "Start with the {x} {items} the children plant."),
        start_groups(
            "The children of a village form {x} teams, and each team plants {y} {items}.",
            "Multiply {x} teams by {y} {items} for each team.",
        ),
    ),
    moves=(
        Move(
            "Their parents plant {x} times as many {items} as the children.",
            (
                Step("Multiply by {x} to get the {items} of the parents.", "t=s*x"),
                Step("Add the {items} of the children and of the parents.", "s=s+t"),
            ),
            (2, 4),
        ),
        lose("A storm knocks down {x} of the {items}.", "Subtract the {x} {items} the storm knocks down."),
        gain_groups(
            "The village then adds {x} rows of {y} {items}.",
            "Multiply {x} rows by {y} {items} to get what the village adds.",
            "Add the {items} of the village.",
        ),
        gain("The mayor gives {x} more {items}, and they are planted too.", "Add the {x} {items} from the mayor."),
    ),
    endings=(
        ask("How many of these {items} are standing in the end?"),
        share(
            "Their care is shared equally among {x} gardeners. How many {items} does each gardener look after?",
            "Divide by the {x} gardeners.",
        ),
        lack(
            "The village wants to have {x} {items}. How many more must be planted?",
            "Subtract the {items} that stand from the {x} {items} wanted.",
        ),
    ),
    asides=("The village school is {d} years old.", "The mayor speaks for {d} minutes."),
)

MUSEUM = Frame(
    name="museum",
    items=things("museums", "zoos", "castles"),
    openings=(
        start("A {item} has {x} visitors on Saturday morning.", "Start with the {x} visitors of Saturday morning."),
        start_groups(
            "A {item} gives {x} tours on Saturday, with {y} visitors on each tour.",
            "Multiply {x} tours by {y} visitors on each tour.",
        ),
    ),
    moves=(
        gain("Later that day {x} more visitors come.", "Add the {x} visitors who come later that day."),
        gain_groups(
            "Then {x} school classes of {y} pupils each visit the {item}.",
            "Multiply {x} classes by {y} pupils to get the visitors from schools.",
            "Add the visitors from schools.",
            (2, 5),
            (12, 28),
        ),
        gain("On Sunday there are {x} visitors.", "Add the {x} visitors of Sunday."),
        gain("In the evening a choir of {x} people looks around as well.", "Add the {x} people of the choir."),
    ),
    endings=(
        ask("How many visitors does the {item} have in all?"),
        times(
            "Each visitor pays ${x}. How many dollars do the visitors pay together?",
            "Multiply by the ${x} that each visitor pays.",
            (3, 15),
        ),
        lack(
            "The {item} hopes to have {x} visitors in all. How many more must come?",
            "Subtract the visitors so far from the {x} visitors hoped for.",
        ),
    ),
    asides=("The roof was mended {d} years ago.", "The {item} has {d} rooms."),
)

FRAMES = (BAKERY, PASSENGERS, WORKSHOP, CAR_PARK, TREES, MUSEUM)
