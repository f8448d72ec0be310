"""Wordings, units and languages of replies, each with the answer that it gives, or None where it gives none."""

import pytest

from stepdown.answers import conclusion


@pytest.mark.parametrize(
    ("text", "found", "question"),
    [
        ('Thus, x = 7 and y = 3.', '7', 'What is x?'),
        ('He pays $18 and gets $2 back.', '18', 'How much does he pay?'), ('The answer: $18', '18', ''),
        ('The total number of eggs is therefore 18 (eighteen).', '18', 'How many eggs?'),
        ('Thus the final result is 18.', '18', ''), ('Result: 18', '18', ''), ('**Result:** 18 eggs', '18', ''),
        ('Total: 18', '18', ''), ('✔️ Final Answer: **18**', '18', ''),
        ('The answer is 18\\%.', '18', 'What percent?'), ('The answer is 18 percentage points.', '18', ''),
        ("I'm confident that the answer is 18.", '18', ''), ('We conclude that the answer is 18.', '18', ''),
        ('So, the total cost would be $18.00.', '18', 'How much?'), ('Final answer: 18 (approximately)', '18', ''),
        ('Final answer: ~18', '18', ''), ('Final answer: ≈ 18.3', '18.3', ''),
        ('Final answer: 18.3 ≈ 18', '18', 'Round to the nearest whole number.'),
        ('Answer: 18 (rounded from 18.3)', '18', ''), ('Answer: 18.33 or about 18', '18.33', ''),
        ('Answer: 1/3 (about 0.333)', '1/3', ''), ('Answer: 33 1/3%', '100/3', 'What percent?'),
        ('Answer: 1 hr 15 min', '75', 'How many minutes?'),
        ('Answer: 75 minutes or 1 hour and 15 minutes', '75', 'How many minutes?'),
        ('Answer: 75 minutes or 1 hour and 15 minutes', '1.25', 'How many hours?'),
        ('Answer: £5 and 20 pence', '5.2', ''), ('Answer: 5 dollars, 20 cents', '5.2', ''),
        ('Answer: 520 cents', '520', 'How many cents?'),
        ('Answer: 5.20 dollars = 520 cents', '520', 'How many cents?'),
        ('Answer: 6 ft 2 in', '74', 'How many inches?'), ('Answer: 2 kg 500 g', '2.5', 'How many kilograms?'),
        ('Answer: 12 sq ft', '12', ''), ('Answer: 12 ft²', '12', ''), ('Answer: 12 ft^2', '12', ''),
        ('Answer: 12 square feet', '12', ''), ('Answer: 9.8 m s^{-2}', '9.8', ''), ('Answer: 9.8 m·s⁻²', '9.8', ''),
        ('Answer: 5 kg·m/s', '5', ''), ('Answer: 5 N', '5', ''), ('Answer: 5 L', '5', ''),
        ('Answer: 300 K', '300', ''), ('Answer: 20 °C', '20', ''), ('Answer: 20°', '20', ''),
        ('Answer: 5 x 10^3', '5000', ''), ('Answer: 5·10^3', '5000', ''), ('Answer: 5*10**3', '5000', ''),
        ('Answer: 5E3', '5000', ''), ('Answer: 12,345.67', '12345.67', ''), ('Answer: 12.345,67', '12345.67', ''),
        ('Answer: 12 345,67', '12345.67', ''), ("Answer: 12'345.67", '12345.67', ''),
        ('Answer: 12,345,678', '12345678', ''), ('Answer: 1.000.000', '1000000', ''),
        ('Answer: 12\u202f345', '12345', ''), ('Answer: 12\xa0345', '12345', ''), ('Answer: 12\\,345', '12345', ''),
        ('Answer: ١٢٣', '123', ''), ('Answer: １，２３４', '1234', ''), ('Answer: ¾', '0.75', ''),
        ('Answer: 1¾', '1.75', ''), ('Answer: 1 ¾ cups', '1.75', ''), ('Answer: 5⁄8', '0.625', ''),
        ('Answer: 3/8 inch', '0.375', ''), ('Answer: VII', None, ''), ('Answer: n/a', None, ''),
        ('Answer: ?', None, ''), ('Answer: TBD', None, ''), ('Answer: infinity', None, ''), ('Answer: NaN', None, ''),
        ('Answer: -', None, ''), ('The answer is 3:45 pm.', None, ''),
        ('The ratio is 3 to 4.', None, 'What is the ratio?'), ('The score was 3-1.', None, ''),
        ('The answer is 3×4.', None, ''), ('The answer is 3+4i.', None, ''), ('The answer is 2^n.', None, ''),
        ('The answer is $\\pi$.', None, ''), ('The answer is 3π.', None, ''),
        ('The answer is $3\\sqrt{2}$.', None, ''), ('The answer is 3x + 4 = 10', '10', ''),
        ('Each gets 18, no more than 20.', '18', 'How many does each get?'),
        ('The number is less than 20.', None, 'What is the number?'), ('So it is at most 20.', '20', 'How many?'),
        ('The answer is somewhere around 18.', '18', ''), ('The result lies between 17 and 19.', None, ''),
        ('The answer is 18 in the first case and 20 in the second.', '18', ''),
        ('La respuesta final es 18.', '18', ''), ('Por lo tanto, la respuesta es: **18**', '18', ''),
        ('Die endgültige Antwort lautet 18.', '18', ''), ('Die Lösung ist 18.', '18', ''),
        ('Das Ergebnis ist 18.', '18', ''), ('La réponse finale est 18.', '18', ''), ('La risposta è 18.', '18', ''),
        ('A resposta é 18.', '18', ''), ('Het antwoord is 18.', '18', ''), ('因此答案为 $18$ 美元。', '18', ''),
        ('所以，她每天赚18美元', '18', ''), ('したがって、答えは18ドルです。', '18', ''),
        ('答えは、18です。', '18', ''), ('따라서 답은 18입니다.', '18', ''), ('Поэтому ответ: 18.', '18', ''),
        ('Ответ — 18', '18', ''), ('إذن الجواب هو ١٨', '18', ''), ('उत्तर: १८', '18', ''), ('答案是十八。', '18', ''),
        ('答案：一百二十', '120', ''), ('答案是三万', '30000', ''), ('答えは3万円です。', '30000', ''),
    ],
)  # fmt: skip
def test_the_number_of_a_wording_is_read(text: str, found: str | None, question: str) -> None:
    assert conclusion(text, "number", question=question).found == found


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ('The answer is choice (B), blue.', 'B'), ("I'd say it's B.", 'B'), ('B it is.', 'B'), ('Definitely B', 'B'),
        ('Probably B.', 'B'), ('B?', 'B'), ('(b) blue', 'B'), ('b) blue', 'B'), ('2) blue', 'B'), ('2', 'B'),
        ('The second option.', None), ('Answer: Option 2', 'B'), ('the answer is: b', 'B'), ('Answer: b', 'B'),
        ('answer is b', 'B'), ('Answer: blue is correct', 'B'), ('Answer: red is wrong, blue is right', 'B'),
        ('Answer: not red but blue', 'B'), ('A. red - no. B. blue - yes. C. green - no. Answer: B', 'B'),
        ('Among A, B and C, the best is B.', 'B'), ('Between A and B, B is better.', 'B'),
        ('B is better than A.', 'B'), ('A is worse than B.', 'B'), ('While A is tempting, B is correct.', 'B'),
        ('Although red is nice, blue fits.', 'B'), ('A would be too warm, so B.', 'B'),
        ('If it were A, it would glow. So it is B.', 'B'), ('Eliminate A and C. B remains.', 'B'),
        ('The answer is either A or B.', None), ('Possible answers: A, B', None), ('A or B? I pick B.', 'B'),
        ('<answer>A or B</answer>', None), ('\\boxed{A, B}', None), ('\\boxed{A}, \\boxed{B}', None),
        ('The answer is AB.', None), ('Answer: A C', None), ('Answer: A+B', None), ('The best choice is a cat.', None),
        ('I see a bird.', None), ("C'est B", 'B'), ('La opción correcta es la B.', 'B'), ('Richtig ist B.', 'B'),
        ('应该选B', 'B'), ('B选项正确', 'B'), ('答案：B、C', None), ('答案是A和B', None), ('答案：（B）', 'B'),
    ],
)  # fmt: skip
def test_the_choice_of_a_wording_is_read(text: str, found: str | None) -> None:
    assert conclusion(text, "choice", ("red", "blue", "green")).found == found
