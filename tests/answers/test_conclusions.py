"""Whole replies: which of their words are the answer."""

import time

import pytest

from stepdown.answers import conclusion


@pytest.mark.parametrize(
    ("text", "found", "question"),
    [
        ('{"reasoning": "... 15 of the day", "answer": "5"}', "5", ""),
        ('{"answer": 5, "explanation": "since 3+2 = 5, on day 7"}', "5", ""),
        ("{'final_answer': '1,234'}", "1234", ""),
        ('```json\n{"answer": 18}\n```', "18", ""),
        ('{"answer": [3, 7]}', None, ""),
        ("There are $\\boxed{14}$ squares, since $14^2 = 196$.", "14", ""),
        ("...: 30 - 18 = 12.", "12", ""),
        ("So the number left is as follows: 30 - 18 = 12.", "12", "How many of the 30 are left after 18 are gone?"),
        ("We divide 180 by 10, which gives us 18.", "18", "How many boxes of 10 are needed for 180 apples?"),
        ("So we divide 180 by 10, which gives us 18", "18", ""),
        ("156 WPM divided by 3 is 52 WPM.", "52", "What is her average speed?"),
        ("The average is 156 WPM divided by 3 is 52 WPM.", "52", "What is her average speed?"),
        ("The share is 0.4, or 40 %.", "40", "What percentage of them is red?"),
        ("The share is 0.4, or 40 %.", "0.4", "What fraction, as a decimal, is red?"),
        ("The probability is 0.4, or 40%.", "0.4", "What is the probability?"),
        ("Answer: 0.4, or 40%", "40", "What percent?"),
        ("Answer: 0.4, or 40%", "0.4", "What is the probability?"),
        ("He finished in 6th place with 42 points.", "42", "How many points did he have?"),
        ("It is not 18.", None, ""),
        ("The answer is not 18.", None, ""),
        ("The answer is not 18 but 20.", "20", ""),
        ("9 * 2 = 18. The answer is not 18. It is 20.", "20", ""),
        ("The answer is 7 or 3.", None, ""),
        ("She needs between 3 and 7 eggs.", None, "How many eggs?"),
        ("She needs more than 7 eggs.", None, "How many eggs?"),
        ("Answer: at least 7", "7", "What is the least number of boxes?"),
        ("答案是42。", "42", ""),
        ("所以答案是42元。", "42", ""),
        ("答えは42です。", "42", ""),
        ("所以她每天赚18美元。", "18", ""),
        ("因此，她每天赚16-7=9，9×2=18美元。", "18", ""),
        ("Elle gagne donc 18 euros par jour.", "18", ""),
        ("She makes 18 dollars and 50 cents.", "18.5", "How much does she make?"),
        ("She makes $9 * 2 = $18 every day.", "18", "How much does she make?"),
        ("<think>\nMaybe the answer is 12. \\boxed{12}\n</think>\nThe total is 18.", "18", ""),
        ("The answer is 12.\nWait, that is wrong. It should be 14.", "14", ""),
        ("Answer: 18\n\nExplanation: she has 16 eggs and 3+4=7 are used, leaving 9; 9*2=18.", "18", ""),
        ("Answer: 5\n\nBecause 15 of the day is 3 times that.", "5", ""),
        ("The final answer is 5 eggs. She had 16 and 3 more.", "5", ""),
        ("Step 1: 16-7\nAnswer: 9\nStep 2: 9*2\nAnswer: 18", "18", ""),
        ("Step 1: eggs left. Answer: 9\nStep 2: 9*2 = 18. So she makes 18.", "18", ""),
        ("She earns 18.\n\nQuestion: Tom has 5 pens and gets 6 more. How many?\nTom has 5+6 = 11 pens.", "18", ""),
        ("She earns 18.\n### Instruction\nAdd 5 and 6.\n### Response\n11", "18", ""),
        ("The answer is 18.<|im_end|>\n<|im_start|>user\nWhat is 5+6?<|im_end|>\n<|im_start|>assistant\n11", "18", ""),
        ("Question: How many eggs does she sell?\nAnswer: She sells 9 eggs.", "9", "How many eggs does she sell?"),
        ("Question 1: How many are left? Answer: 9\nQuestion 2: How much does she make? Answer: 18", "18", "How much?"),
        ("A: 18\n\nQ: Tom has 5 pens.\nA: 11", "18", ""),
        ("So the answer is 18.\n\nQ: Tom has 5 pens.\nA: 11", "18", ""),
        ("\x1b[32mAnswer: 18\x1b[0m", "18", ""),
        ("Answer: 18 \x1b[2m(done in 3 s)\x1b[0m", "18", ""),
        ("| Step | Value |\n|---|---|\n| Total | 12 |\n| Answer | 18 |", "18", ""),
        ("The total is $18.", "18", "How much?"),
        ("Answer: 5 feet 6 inches", "66", "How many inches tall is he?"),
        ("Answer: 1 hour and 30 minutes", "1.5", "How many hours does it take?"),
        ("Answer: 1 hour and 30 minutes", "90", "How many minutes does it take?"),
        ("Answer: 5 dogs and 3 cats", "5", "How many dogs does she have?"),
        ("Answer: 5 dogs and 3 cats", None, "How many does she have?"),
        ("Answer: 50%", "0.5", "What is the probability of heads?"),
        ("In total she has twelve apples.", "12", "How many apples?"),
        ("He has 5 apples left, so the answer is B.", "5", "How many apples?"),
        ("The ratio is 3:1.", None, ""),
        ("So the store sold 1 234 567 tickets.", "1234567", "How many tickets?"),
        ("So it costs .35625 dollars.", "0.35625", "How much does it cost?"),
        ("The answer: 42", "42", ""),
        ("Final Answer: The final answer is $42$. I hope it is correct.", "42", ""),
        ("Therefore the final answer is:\n$$\n42\n$$", "42", ""),
        ("Therefore the final answer is:\n\\[\n42\n\\]", "42", ""),
        ("The answer is therefore 42.", "42", ""),
        ("The answer is thus: 42", "42", ""),
        ("So, the answer would be 42 apples.", "42", ""),
        ("The answer is forty-two.", "42", ""),
        ("The answer is $\\frac{3}{4}$.", "0.75", ""),
        ("Hence she must pay $9.50 in total; the answer is 9.5", "9.5", ""),
        ("Let's verify: 6*7=42. The answer is correct.", "42", ""),
        ("The answer is 42. Let's verify: 6*7 = 42, and 43-1 = 42. The answer is correct.", "42", ""),
        ("If the answer is 5, then he had 10. But he had 14, so he has 7.", "7", "How many?"),
        ("Answer:", None, ""),
    ],
)
def test_a_reply_concludes_with_this_number(text: str, found: str | None, question: str) -> None:
    assert conclusion(text, "number", question=question).found == found


@pytest.mark.parametrize(
    ("text", "found", "choices"),
    [
        ("C is correct.", "C", ("red", "blue", "green", "yellow")),
        ("Option B is correct.", "B", ("red", "blue", "green")),
        ("b)", "B", ("red", "blue", "green")),
        ("b", "B", ("red", "blue", "green")),
        ("所以正确答案是C。", "C", ("red", "blue", "green")),
        ("故选B", "B", ("red", "blue", "green")),
        ("答案选C", "C", ("red", "blue", "green")),
        ("正解はBです。", "B", ("red", "blue", "green")),
        ("The answer is a case.", None, ("red", "blue", "green")),
        ("The answer is a case.", "D", ("bag", "box", "shelf", "case")),
        ("The toy goes slower over the wood floor because the dirt is bumpier.", "A", ("wood floor", "dirt")),
        ("It is smoother on the ice since the road is rough.", "B", ("road", "ice")),
        ("Because the dirt is bumpier, it goes faster over the wood floor.", "A", ("wood floor", "dirt")),
        ("A, B and C are all correct.", None, ("red", "blue", "green")),
        ("Either A or B could be right.", None, ("red", "blue", "green")),
        ("The answer is not A.", None, ("red", "blue", "green")),
        ("The answer is not (A). The answer is (B).", "B", ("red", "blue", "green")),
        ("I'd go with C.", "C", ("red", "blue", "green")),
        ("I choose option (b).", "B", ("red", "blue", "green")),
        ("The correct option is B: blue.", "B", ("red", "blue", "green")),
        ("The best answer is B.", "B", ("red", "blue", "green")),
        ('{"reasoning": "A seems wrong", "answer": "B"}', "B", ("red", "blue", "green")),
        ('{"answer": "blue"}', "B", ("red", "blue", "green")),
        ("**B**", "B", ("red", "blue", "green")),
        ("**B. blue**", "B", ("red", "blue", "green")),
        ("B\n\nExplanation: A is red.", "B", ("red", "blue", "green")),
        ("The answer is A because B and C are wrong.", "A", ("red", "blue", "green")),
        ("A) red is wrong. B) blue is right. So the answer: B", "B", ("red", "blue", "green")),
        ("I think a blue sky is most likely.", "B", ("red", "blue", "green")),
        ("Answer: 2", "B", ("red", "blue", "green")),
        ("The answer is 4.", "B", ("3", "4", "5")),
        ("Answer: 3", "A", ("3", "4", "5")),
        ("La respuesta correcta es la B.", "B", ("red", "blue", "green")),
        ("Die richtige Antwort ist B.", "B", ("red", "blue", "green")),
        ("La bonne réponse est C.", "C", ("red", "blue", "green")),
        ("$\\boxed{\\text{(B)}}$", "B", ("red", "blue", "green")),
        ("\\boxed{\\textbf{B}}", "B", ("red", "blue", "green")),
        ("(A) red (B) blue (C) green", None, ("red", "blue", "green")),
        ("I am not sure, it could be A, B or C.", None, ("red", "blue", "green")),
        ("B.", "B", ("red", "blue", "green")),
        ("(B)", "B", ("red", "blue", "green")),
        ("<answer>B</answer>", "B", ("red", "blue", "green")),
        ("I", "I", ("q", "w", "e", "r", "t", "y", "u", "i", "o", "p")),
        ("I think it is blue.", "B", ("red", "blue", "green")),
        ("A bird would be blue.", "B", ("red", "blue", "green")),
        ("None of these.", None, ("red", "blue", "green")),
        ("The answer is E.", None, ("red", "blue", "green")),
    ],
)
def test_a_reply_concludes_with_this_choice(text: str, found: str | None, choices: tuple[str, ...]) -> None:
    assert conclusion(text, "choice", choices).found == found


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Paris", "Paris"),
        ("The capital is Paris.", "Paris"),
        ("Answer: Yes, the coin is still heads up.", "Yes"),
        ("Yes. It was turned twice.", "Yes"),
        ("The answer is Yes; I first thought No", "Yes"),
        ("So the answer is no.", "no"),
        ("No, the coin is no longer heads up.", "No"),
        ("The coin was flipped by A and B. So it is tails. Therefore, the answer is no.", "no"),
        ("**Yes**", "Yes"),
        ("Yes, because it was flipped twice. Answer: yes", "yes"),
        ("The date is 05/01/2021.", "05/01/2021"),
        ("Today is May 1, 2021. So the answer is 05/01/2021.", "05/01/2021"),
    ],
)
def test_a_reply_concludes_with_this_text(text: str, found: str | None) -> None:
    assert conclusion(text, "text").found == found


@pytest.mark.parametrize(
    ("field", "found"),
    [
        (r'{"answer": "\frac{1}{2}"}', r"\frac{1}{2}"), (r'{"answer": "\\frac{1}{2}"}', r"\frac{1}{2}"),
        (r'{"answer": "\(x=3\)"}', "x=3"), (r'{"answer": "-\infty"}', r"-\infty"),
        (r'{"answer": "\\sqrt{2}"}', r"\sqrt{2}"),
        (r'{"steps": ["x=1"], "final_answer": "[-2, 7)"}', "[-2, 7)"),
    ],
)  # fmt: skip
def test_latex_in_json_is_read_whether_its_backslashes_are_doubled_or_not(field: str, found: str) -> None:
    assert conclusion(field, "expression").found == found


@pytest.mark.parametrize("lead", ["The answer is ", "Answer: ", "\\boxed{"])
@pytest.mark.parametrize("unit", ["(", "A, ^(", "? ", "the answer is ", "or 5 ", "答案是1/"])
def test_a_long_answer_line_costs_no_more_than_its_length(lead: str, unit: str) -> None:
    began = time.process_time()
    for kind in ("number", "expression", "choice", "text"):
        conclusion(lead + unit * (20_000 // len(unit)), kind)
    assert time.process_time() - began < 4
