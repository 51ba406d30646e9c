"""The options of what a run writes, and where its events go."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from streamfer.app.config_fields import Faces, Show, option
from streamfer.media.subtitles.wording import Language


@dataclass(frozen=True, slots=True)
class OutputOptions:
    """The first part of `RunConfig`."""

    source: tuple[str, ...] = ()
    """What to analyse."""

    output: Path | None = option(
        None,
        "Annotated video: a file, or an rtsp, rtmp, srt or udp address; of a picture also .png,"
        " .jpg or .webp. With several sources the name must hold {stream}; {kind} for the suffix:"
        " pictures for pictures, mp4 for the rest.",
        group="Outputs",
    )
    records: Path | None = option(
        None,
        "Records of every frame: .jsonl, .csv or .parquet; {stream} in the name: a file each.",
        group="Outputs",
    )
    latents: Path | None = option(
        None, "Latent code of every face: .parquet. Biometric data!", group="Outputs"
    )
    faces: Faces = option(
        "shown",
        "In all pictures that leave the program: as they are, blurred, or replaced by drawn faces"
        " of nobody with the same expression.",
        group="Outputs",
    )
    show: Show = option(
        "drawing",
        "Beside a face: its drawing, how it would look neutral, or as the second-likeliest answer.",
        group="Outputs",
    )
    subtitles: Path | None = option(
        None,
        "Subtitles of who shows what: .vtt, .srt or .ass; with several sources the name must hold"
        " {stream}.",
        group="Outputs",
    )
    embed_subtitles: bool = option(
        False, "Carry subtitles inside the video of --output, too.", group="Outputs"
    )
    language: Language = option("en", "Of the subtitles' words.", group="Outputs")
    speaker: tuple[str, ...] = option(
        (),
        "What subtitles call a track, or that of one stream; any number.",
        group="Outputs",
        metavar="[STREAM:]TRACK=NAME",
    )
    display: bool | None = option(
        None, "Show a window; by default if there is a display.", group="Outputs"
    )
    segment: float | None = option(
        None,
        "Start new files of video and records every so many seconds.",
        group="Outputs",
        low=1.0,
        metavar="SECONDS",
    )
    snapshot_every: float | None = option(
        None,
        "Save an annotated picture every so many seconds of media time.",
        group="Outputs",
        low=0.001,
        metavar="SECONDS",
    )
    snapshot_dir: Path = option(
        Path("snapshots"), "Where --snapshot-every and the window's s key save.", group="Outputs"
    )
    webhook: str | None = option(
        None,
        "POST every event as JSON to this address; tried again until it is taken.",
        group="Events",
        metavar="URL",
    )
    webhook_key: Path | None = option(
        None,
        "File whose text signs what is posted, HMAC-SHA256.",
        group="Events",
        metavar="FILE",
    )
    mqtt: str | None = option(
        None,
        "Publish results and events: mqtt[s]://[USER:PASSWORD@]HOST[:PORT]/PREFIX.",
        group="Events",
        metavar="URL",
    )
    clips: Path | None = option(
        None,
        "Folder for a video around each event, not encoded again.",
        group="Events",
        metavar="FOLDER",
    )
    clip_before: float = option(
        5.0, "Seconds of a clip before its event.", group="Events", low=0.0, high=60.0
    )
    clip_after: float = option(
        5.0, "Seconds of a clip after its event.", group="Events", low=0.0, high=60.0
    )
    lsl: bool = option(
        False,
        "Offer probabilities and events as streams of the Lab Streaming Layer.",
        group="Events",
    )
    json_summary: Path | None = option(None, "Write the run's figures as JSON.", group="Outputs")
    encoder: str = option(
        "libx264",
        "Video encoder: libx264, h264_nvenc, …; auto: the hardware's where one works.",
        group="Outputs",
        metavar="NAME",
    )
    crf: int = option(20, "Video quality; lower is better.", group="Outputs", low=0, high=51)
    preset: str | None = option(
        None, "The encoder's speed preset; by default a fast one.", group="Outputs", metavar="NAME"
    )
    skip_existing: bool = option(
        False, "Pass over files whose outputs are complete.", group="Outputs"
    )
    save_config: Path | None = option(
        None,
        "Write the resolved configuration as TOML, which --config reads.",
        group="Outputs",
    )
