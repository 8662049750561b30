"""``python -m service``, with the model that is no model."""

from fakes import fake_model

from service.__main__ import main
from service.pipeline import Pipeline

if __name__ == "__main__":
    model = fake_model()
    main(lambda settings, metrics, on_failure: Pipeline(settings, metrics, on_failure, model))
