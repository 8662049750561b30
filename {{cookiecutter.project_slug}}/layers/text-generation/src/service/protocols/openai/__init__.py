"""The part of the OpenAI API that is about texts.

What https://developers.openai.com/api/reference says of models, completions and chat completions
holds here, so that its official clients work; what the service cannot honour is refused by name.
"""
