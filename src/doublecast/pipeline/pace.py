"""How fast a stage goes, and how long it will still take: for the terminal and for whoever looks on."""

from dataclasses import dataclass, field

from doublecast.events import Progress, Step

_WINDOW = 20.0  #: seconds over which a rate is measured


@dataclass(slots=True)
class Pace:
    """What is known of one stage while it runs. extra: what training tells of its last step."""

    last: Progress | None = None
    extra: str = ""
    samples: list[tuple[float, float]] = field(default_factory=list)

    def add(self, event: Progress, now: float) -> None:
        """Take an event in. now: seconds of a clock that only goes forward."""
        if self.last is not None and (event.done < self.last.done or event.detail != self.last.detail):
            self.samples.clear()
        self.last = event
        if not self.samples or now - self.samples[-1][0] > 0.2 or event.done == event.total:
            self.samples.append((now, event.done))
            while len(self.samples) > 2 and now - self.samples[0][0] > _WINDOW:
                self.samples.pop(0)

    def step(self, event: Step) -> None:
        """Take a step of training in."""
        losses = "  ".join(f"{name} {value:.4f}" for name, value in event.losses.items())
        self.extra = f"{event.faces_per_second:.0f} faces/s  step {event.step}  {losses}"

    def rate(self) -> float | None:
        """Units per second of late; None where nothing moves."""
        if len(self.samples) < 2:
            return None
        (begin, first), (end, done) = self.samples[0], self.samples[-1]
        return (done - first) / (end - begin) if end > begin and done > first else None

    def seconds_left(self) -> float | None:
        """Seconds to the end at this rate; None where it cannot be told or has come."""
        rate, event = self.rate(), self.last
        if rate is None or event is None or event.total is None or event.done >= event.total:
            return None
        return (event.total - event.done) / rate

    def numbers(self) -> str:
        """Such as ``120/353 frames  95 frames/s  0:02 left``."""
        event = self.last
        if event is None:
            return self.extra
        digits = 1 if event.unit == "minutes" else 0
        of = "" if event.total is None else f"/{event.total:.{digits}f}"
        parts = [f"{event.done:.{digits}f}{of} {event.unit}"]
        rate, left = self.rate(), self.seconds_left()
        if self.extra:
            parts.append(self.extra)
        elif rate is not None and event.unit != "minutes":
            parts.append(f"{rate:.{0 if rate >= 10 else 1}f} {event.unit}/s")
        if left is not None:
            parts.append(f"{clock(left)} left")
        return "  ".join(parts)


def clock(seconds: float) -> str:
    """Such as ``1:02:03`` or ``0:42``."""
    whole = round(seconds)
    hours, minutes = divmod(whole // 60, 60)
    return f"{hours}:{minutes:02d}:{whole % 60:02d}" if hours else f"{minutes}:{whole % 60:02d}"
