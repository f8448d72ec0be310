"""The people of the generated stories; no name ends in s, so that no possessive is awkward."""

WOMEN = (
    *("Ada", "Amina", "Bea", "Clara", "Dana", "Elif", "Emma", "Fatima", "Grace"),
    *("Hana", "Irene", "Julia", "Kira", "Lena", "Maya", "Nora", "Olga", "Priya"),
)
MEN = (
    *("Adam", "Ben", "Carl", "David", "Emil", "Felix", "Gabriel", "Hugo", "Ivan"),
    *("Jamal", "Kofi", "Leo", "Malik", "Noah", "Omar", "Paul", "Ravi", "Tom"),
)
