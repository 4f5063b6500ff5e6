"""The miniature's vision-language model: a small LLaVA that criticises, answers, marks and compares."""
