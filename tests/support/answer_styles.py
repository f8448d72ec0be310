"""How models write the line that holds their answer: each has one place for it."""

STYLES = (
    'Answer: {}', '**Answer:** {}', '**Answer: {}**', 'Answer: **{}**', 'Answer: \\({}\\)', 'The answer is {}.',
    'So the answer is: {}', 'The final answer is {}. I hope it is correct.', '<answer>{}</answer>',
    '<answer>\n{}\n</answer>', '### Final Answer\n{}', '## Answer\n\n**{}**', 'Final Answer: {}', 'Answer:\n{}',
    'Answer:\n\n{}', '答案是{}。', '答案：{}', '答えは{}です。',
    'Antwort: {}', 'Die Antwort ist {}.', 'La respuesta es {}.',
    'Respuesta: {}', 'La réponse est {}.', 'Réponse : {}', 'Therefore, the answer is {}.', 'Answer: `{}`',
    'Answer: "{}"', '> Answer: {}', '- Answer: {}', 'ANSWER: {}', 'answer = {}', '[ANSWER]{}[/ANSWER]', 'Ans: {}',
    'Final answer → {}', 'My answer is {}', '**Final Answer**: {}', '**Final Answer**\n\n{}', 'Answer: {}<|im_end|>',

    'Answer: {}\n\nQuestion: Tom has 5 pens and buys 6. How many?\nAnswer: 11',
    '$\\boxed{{{}}}$',
    '\\boxed{{\\text{{{}}}}}', '#### {}', 'Answer: {}\n\nLet me know if you have 2 more questions!',
    'The correct answer is: {}', '정답은 {}입니다.', 'Ответ: {}', 'Resposta: {}', 'Answer (in total): {}',
    'The answer to the question is {}.',
)  # fmt: skip
