"""The words of the `generic` control: plans that fit any problem."""

# The plan of the `generic` control: steps that fit any problem and say nothing about this one.
GENERIC_STEPS = (
    "Read the problem with care.",
    "Write down what is known.",
    "Find out what is asked.",
    "Decide which facts are needed.",
    "Work through the facts in order.",
    "Check each result before going on.",
    "Put the results together.",
    "State what was asked for.",
)

# What makes a generic step as long as the one it stands for, by number of words.
GENERIC_WORDS: dict[int, tuple[str, ...]] = {
    1: ("Think.", "Continue."),
    2: ("Take care.", "Go on."),
    3: ("Take your time.", "Keep it clear."),
    4: ("Think about each part.", "Stay with the question."),
    5: ("Keep track of each fact.", "Go over it once more."),
    6: ("Write every thought down as such.", "Make sure that nothing was missed."),
    7: ("Ask yourself whether this makes good sense.", "Look at what came before this point."),
}
