"""Training loop of the miniature: resuming, rounds, and the learning rate."""

import pytest
import torch

from detailscribe.miniature.models import training


def test_training_resumes_where_it_stopped(tmp_path, monkeypatch):
    monkeypatch.setattr(training.shutil, "which", lambda name: None)  # compilation is slow
    monkeypatch.setattr(training, "CHECKPOINT_S", 0)

    class Loss:
        def __call__(self, model, rng, batch):
            return ((model(torch.from_numpy(rng.normal(size=(batch, 3))).float()) - 1) ** 2).mean()

    def run(folder, *stops, steps=12, rounds=2):
        plan = training.Plan(steps=steps, rounds=rounds, batch=4, rate=0.1, warm_up=2, falls=0.25, average=0.9)
        for stop in (*stops, None):
            torch.manual_seed(1)
            model = torch.nn.Linear(3, 1)
            try:
                kept = training.train("x", model, Stopping(stop), plan, folder, torch.device("cpu"))
            except KeyboardInterrupt:
                continue
        return kept.weight

    class Stopping(Loss):
        def __init__(self, stop):
            self.left = stop

        def __call__(self, model, rng, batch):
            if self.left is not None:
                self.left -= 1
                if self.left < 0:
                    raise KeyboardInterrupt
            return super().__call__(model, rng, batch)

    whole = run(tmp_path / "a")
    assert torch.equal(run(tmp_path / "b", 5, 3), whole)
    assert not torch.equal(run(tmp_path / "c", steps=6, rounds=1), whole)
    assert torch.equal(run(tmp_path / "c"), whole)


def test_a_longer_plan_starts_like_a_shorter_one():
    short, long = (training.Plan(steps=steps, batch=1, rate=1.0, falls=0.5) for steps in (400, 800))
    for step in range(200):
        assert training.learning_rate(short, step) == training.learning_rate(long, step)
    assert training.learning_rate(short, 399) == pytest.approx(1 / 200)
