"""All commands: where each is, and what it is for. A command's module is imported when it is
called."""

from __future__ import annotations

from streamfer.app.cli.groups import Command, Group

_ENGINES = Group(
    "Engines compiled for this machine.",
    {
        "list": Command(
            "streamfer.app.cli.machine_commands:list_engines_command", "Show what is compiled."
        ),
        "build": Command(
            "streamfer.app.cli.run_commands:build_engines_command",
            "Compile ahead of time what a run with these options needs.",
        ),
        "clean": Command(
            "streamfer.app.cli.machine_commands:clean_engines_command",
            "Throw the compiled engines away; they are built again when needed.",
        ),
    },
)

_TRAIN = Group(
    "Train the networks.",
    {
        "classifier": Command(
            "streamfer.app.cli.train_classifier",
            "Train the face classifier; with --backbone NAME one with another trunk.",
        ),
        "generator": Command("streamfer.training.generator", "Train the StyleGAN2 generator."),
        "encoder": Command("streamfer.training.encoder", "Train the encoder of a generator."),
        "autoencoder": Command(
            "streamfer.training.autoencoder", "Train generator and encoder together, without a GPU."
        ),
        "directions": Command(
            "streamfer.training.directions", "Learn the directions of expressions."
        ),
        "fused": Command("streamfer.training.fused", "Train the heads of the fused classifier."),
        "curvature": Command(
            "streamfer.training.curvature", "Measure how steeply the loss of a search rises."
        ),
        "trust": Command("streamfer.training.trust", "Fit how far answers can be trusted."),
        "upright": Command("streamfer.training.upright", "Fit which faces do not stand upright."),
    },
)

_EVAL = Group(
    "Measure the networks.",
    {
        "classifier": Command(
            "streamfer.app.cli.eval_options:eval_classifier_command",
            "Measure the face classifier on labelled faces.",
        ),
        "compare": Command(
            "streamfer.app.cli.eval_options:compare_command",
            "Hold two classifiers' predictions against each other: McNemar's test, paired"
            " bootstrap.",
        ),
        "latent": Command(
            "streamfer.evaluation.latent", "Measure generator, encoder and refinement."
        ),
        "edit": Command(
            "streamfer.evaluation.edit", "Measure how faces are edited along directions."
        ),
        "fused": Command(
            "streamfer.evaluation.fused", "Hold the fused classifier against VGG19 alone."
        ),
        "latent-per": Command("streamfer.evaluation.latent_per", "Make the tables of Latent-PER."),
    },
)

_WEIGHTS = Group(
    "Weights: those shipped, and those that others publish.",
    {
        "list": Command(
            "streamfer.app.cli.weights_commands:list_weights_command",
            "Show what is shipped, what is here and what can be pulled.",
        ),
        "pull": Command(
            "streamfer.app.cli.weights_commands:pull_weights_command",
            "Download published weights and check them; the same command goes on after a break.",
        ),
        "verify": Command(
            "streamfer.app.cli.weights_commands:verify_weights_command",
            "Hold shipped and pulled weights against their checksums; exit 5 where one is damaged.",
        ),
    },
)

_CLUSTER = Group(
    "Runs on a cluster (run --cluster): how they are doing, what they have left.",
    {
        "status": Command(
            "streamfer.app.cli.cluster:status_command",
            "Say how a run is doing, or how it ended; exit 3 where files have failed.",
        ),
        "verify": Command(
            "streamfer.app.cli.cluster:verify_command",
            "Hold every finished result against its checksum and its input; exit 1 where one is"
            " wrong.",
        ),
        "gather": Command(
            "streamfer.app.cli.cluster:gather_command",
            "Make one Parquet data set of all records, which pyarrow, pandas and DuckDB read as"
            " one.",
        ),
    },
)

PROGRAM = Group(
    "Reads faces in live video: finds, follows and classifies every face of cameras, streams and"
    " files.",
    {
        "run": Command(
            "streamfer.app.cli.run_commands:run_command",
            "Analyse sources: window, annotated video, records, live statistics.",
        ),
        "bench": Command(
            "streamfer.app.cli.run_commands:bench_command",
            "Measure frames/s, latency, stage shares and memory on this machine.",
        ),
        "verify": Command(
            "streamfer.app.cli.record_commands:verify_command",
            "Hold an annotated video and its records against the input.",
        ),
        "complete": Command(
            "streamfer.app.cli.record_commands:complete_command",
            "Complete Parquet records and latents from the journals that a killed run left.",
        ),
        "measure": Command(
            "streamfer.app.cli.record_commands:measure_command",
            "Measure recorded faces: shares of time, transitions, synchrony and mimicry of pairs.",
        ),
        "export": Command(
            "streamfer.app.report.export.options:export_command",
            "Write records as subtitles, annotations, a table or markers.",
        ),
        "find": Command(
            "streamfer.app.cli.record_commands:find_command",
            "Find moments in recorded latent codes that are like a face, or show most of an"
            " expression.",
        ),
        "report": Command(
            "streamfer.app.cli.record_commands:report_command",
            "Make a page of records that opens from disk: video, timelines, key moments.",
        ),
        "plot": Command(
            "streamfer.app.cli.record_commands:plot_command",
            "Draw the timeline of every face as a figure for papers.",
        ),
        "invert": Command(
            "streamfer.app.cli.invert_options:invert_command",
            "Find the latent codes of the faces in photographs and redraw them.",
        ),
        "edit": Command(
            "streamfer.app.cli.edit_options:edit_command",
            "Give faces another expression or pose, or what another face has.",
        ),
        "sketch": Command(
            "streamfer.app.cli.sketch_options:sketch_command", "Draw pictures and videos in pencil."
        ),
        "doctor": Command(
            "streamfer.app.cli.machine_commands:doctor_command",
            "Say what this machine has and lacks, and what to do about it.",
        ),
        "engines": _ENGINES,
        "weights": _WEIGHTS,
        "train": _TRAIN,
        "eval": _EVAL,
        "cluster": _CLUSTER,
    },
)
