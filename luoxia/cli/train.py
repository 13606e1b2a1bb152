"""`luoxia train`: begin a run, or go on with one."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from typer import Argument, Option

from luoxia.cli import options
from luoxia.cli.words import say, tell
from luoxia.core.errors import UserError

if TYPE_CHECKING:
    from luoxia.train.doctor import Finding
    from luoxia.train.loop import Report

STOPPED = 130


def train(
    recipe: Annotated[
        str | None,
        Argument(
            metavar="[RECIPE]",
            help=say(
                "vae, cvae, gan, dcgan, cgan, wgan, wgan-gp, stylegan, clip, dvae, dalle, upscaler, gpt or verse.",
                "vae、cvae、gan、dcgan、cgan、wgan、wgan-gp、stylegan、clip、dvae、dalle、upscaler、gpt 或 verse。",
            ),
        ),
    ] = None,
    data: Annotated[
        str | None,
        Option(
            metavar="DATA",
            help=say(
                "avatars, digits, a prepared .data folder, or a folder or archive of images; for gpt a .tokens folder, for verse verse.",
                "avatars、digits、准备好的 .data 文件夹，或图片文件夹、压缩包；gpt 则为 .tokens 文件夹，verse 则为 verse。",
            ),
        ),
    ] = None,
    size: options.Size = None,
    steps: options.Steps = None,
    seed: Annotated[
        int | None,
        Option(metavar="N", help=say("The same seed gives the same weights.", "相同的种子得到相同的权重。")),
    ] = None,
    out: Annotated[
        Path | None,
        Option("-o", "--out", metavar="FOLDER", help=say("The run's folder.", "训练结果文件夹。")),
    ] = None,
    depth: options.Depth = None,
    set_: options.Settings = None,
    resume: Annotated[
        Path | None, Option(metavar="FOLDER", help=say("Go on with this run.", "继续此训练。"))
    ] = None,
    resume_from: Annotated[
        str | None,
        Option(
            "--resume-from",
            metavar="MODEL",
            help=say(
                "Begin a new run with this StyleGAN's weights: a model's name or a run's folder.",
                "以此 StyleGAN 的权重开始新的训练：模型名称或训练文件夹。",
            ),
        ),
    ] = None,
    auto: Annotated[
        bool,
        Option(
            "--auto",
            help=say(
                "When the run breaks, go back to its last checkpoint and on at half the rate.",
                "训练失效时，回到上一个检查点并以一半学习率继续。",
            ),
        ),
    ] = False,
    device: options.Device = None,
    threads: options.Threads = None,
) -> int:
    if resume is None and (recipe is None or data is None):
        raise UserError(
            "say what to train and on what, as in `luoxia train vae --data digits`, or --resume FOLDER",
            "请说明训练什么、用什么数据，如 `luoxia train vae --data digits`，或 --resume 文件夹",
        )
    if resume is not None and (
        recipe or data or set_ or steps or depth or seed is not None or out or size or resume_from
    ):
        raise UserError(
            "--resume goes on as the run was begun: leave the other options out",
            "--resume 按原样继续训练：请勿给出其他选项",
        )
    changes: dict[str, object] = {**options.changes(set_, steps, depth), **({"auto": True} if auto else {})}
    import torch

    from luoxia.core.runtime import resolve
    from luoxia.recipes import session
    from luoxia.train.processes import together

    runtime = resolve(device=device, threads=threads)
    torch.set_num_threads(runtime.threads)
    with together() as processes:

        def work():
            """Nothing of it outlives the group of processes."""
            if resume is not None:
                return session.resume(resume, runtime, processes, auto=auto)
            assert recipe is not None
            assert data is not None
            begun = time.localtime(processes.agree(time.time()))
            folder = out or Path("runs") / f"{recipe}-{time.strftime('%Y%m%d-%H%M%S', begun)}"
            return session.begin(
                recipe,
                data,
                folder,
                runtime,
                size=size,
                seed=seed,
                changes=changes,
                origin=resume_from,
                processes=processes,
            )

        finished = learn(work(), quiet=not processes.first)
    return 0 if finished else STOPPED


def learn(work, *, quiet: bool) -> bool:
    """Train what ``work`` is, telling how it goes; whether it came to its end."""
    engine, folder = work.engine, work.run.folder
    if quiet:
        return work.train()
    for warning in work.warnings:
        tell(warning.en, warning.zh)
    count = sum(p.numel() for m in work.training.modules.values() for p in m.parameters())
    tell(
        f"{folder}: {work.run.recipe['recipe']}, {count / 1e6:.2f} M weights, {work.examples.counted.en}, "
        f"steps {engine.done} to {engine.settings.steps}, seed {engine.seed}",
        f"{folder}：{work.run.recipe['recipe']}，{count / 1e6:.2f} M 个权重，{work.examples.counted.zh}，"
        f"第 {engine.done} 至 {engine.settings.steps} 步，种子 {engine.seed}",
    )
    seconds = work.forecast()
    if seconds is not None:
        tell(
            f"Measured here, the steps will take about {_span(seconds)}; fewer --steps take less.",
            f"据本机实测，全部步数约需 {_span(seconds)}；减少 --steps 可缩短。",
        )
    finished = work.train(show_report, show_finding)
    done = engine.done
    if finished:
        tell(
            f"Done. The weights are in {folder}/model.safetensors, samples in {folder}/samples.",
            f"完成。权重在 {folder}/model.safetensors，样本在 {folder}/samples。",
        )
    else:
        tell(
            f"Stopped after step {done}; go on with: luoxia train --resume {folder}",
            f"已在第 {done} 步后停止；继续请用：luoxia train --resume {folder}",
        )
    return finished


def _span(seconds: float) -> str:
    """Days, hours and minutes, or seconds."""
    if seconds < 100:
        return say(f"{seconds:.0f} s", f"{seconds:.0f} 秒")
    minutes = round(seconds / 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    if days:
        return say(f"{days} d {hours} h", f"{days} 天 {hours} 小时")
    return (
        say(f"{hours} h {minutes} min", f"{hours} 小时 {minutes} 分")
        if hours
        else say(f"{minutes} min", f"{minutes} 分")
    )


def show_report(report: Report) -> None:
    """One line: step, speed, time left, and what the losses are."""
    minutes, seconds = divmod(round(report.seconds_left), 60)
    left = f"{minutes // 60:02}:{minutes % 60:02}:{seconds:02}"
    notes = "  ".join(f"{name} {value:.4g}" for name, value in report.values.items())
    line = say(
        f"step {report.step}/{report.steps}  {report.per_second:.0f} {report.unit.said.en}  {left} left  {notes}",
        f"第 {report.step}/{report.steps} 步  {report.per_second:.0f} {report.unit.said.zh}  剩余 {left}  {notes}",
    )
    print(line, file=sys.stderr, flush=True)


def show_finding(finding: Finding) -> None:
    """What the doctor sees, why it matters, and what to try."""
    tell(
        f"Doctor: {finding.what.en}: {finding.why.en}. Try {finding.advice.en}.",
        f"训练医生：{finding.what.zh}：{finding.why.zh}。建议：{finding.advice.zh}。",
    )
