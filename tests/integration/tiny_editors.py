# SPDX-License-Identifier: GPL-3.0-or-later
"""Editors and a pose network of random weights, so small that they run anywhere, written in their official layouts.

They show that the published files would be read and run as they are. What they draw means nothing.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from tokenizers import pre_tokenizers

IMAGE_MARKS = ("<|vision_start|>", "<|vision_end|>", "<|image_pad|>", "<|video_pad|>")
MARKS = ("<|endoftext|>", "<|im_start|>", "<|im_end|>", *IMAGE_MARKS)
CHAT = (
    "{% for message in messages %}<|im_start|>{{ message.role }}\n{{ message.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


def save_flux2_klein(folder: Path, seed: int = 0) -> Path:
    """FLUX.2 klein: the text encoder has the depth that the pipeline asks for, all else is as small as it may be."""
    from diffusers import AutoencoderKLFlux2, FlowMatchEulerDiscreteScheduler, Flux2Transformer2DModel
    from transformers import Qwen3Config, Qwen3ForCausalLM

    tokenizer = tiny_tokenizer()
    torch.manual_seed(seed)
    encoder = Qwen3ForCausalLM(
        Qwen3Config(
            vocab_size=len(tokenizer),
            hidden_size=8,
            intermediate_size=16,
            num_hidden_layers=28,
            num_attention_heads=2,
            num_key_value_heads=1,
            head_dim=4,
            tie_word_embeddings=True,
        )
    )
    transformer = Flux2Transformer2DModel(
        in_channels=16,
        num_layers=1,
        num_single_layers=1,
        attention_head_dim=16,
        num_attention_heads=2,
        joint_attention_dim=24,
        axes_dims_rope=[4, 4, 4, 4],
        guidance_embeds=False,
    )
    vae = AutoencoderKLFlux2(
        down_block_types=["DownEncoderBlock2D"] * 4,
        up_block_types=["UpDecoderBlock2D"] * 4,
        block_out_channels=[4, 4, 4, 4],
        layers_per_block=1,
        latent_channels=4,
        norm_num_groups=1,
    )
    _save_sharded(encoder, folder / "text_encoder", 2)
    transformer.save_pretrained(folder / "transformer")
    vae.save_pretrained(folder / "vae")
    tokenizer.save_pretrained(folder / "tokenizer")
    FlowMatchEulerDiscreteScheduler(use_dynamic_shifting=True).save_pretrained(folder / "scheduler")
    return _index(folder, "Flux2KleinPipeline", is_distilled=True)


def save_qwen_image_edit(folder: Path, seed: int = 0) -> Path:
    """Qwen-Image-Edit."""
    from diffusers import AutoencoderKLQwenImage, FlowMatchEulerDiscreteScheduler, QwenImageTransformer2DModel
    from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil

    torch.manual_seed(seed)
    encoder = _qwen_vl()
    transformer = QwenImageTransformer2DModel(
        in_channels=16,
        out_channels=4,
        num_layers=2,
        attention_head_dim=16,
        num_attention_heads=3,
        joint_attention_dim=16,
        axes_dims_rope=(8, 4, 4),
    )
    vae = AutoencoderKLQwenImage(
        base_dim=8,
        z_dim=4,
        dim_mult=[1, 2, 4],
        num_res_blocks=1,
        temperal_downsample=[False, True],
        latents_mean=[0.0] * 4,
        latents_std=[1.0] * 4,
    )
    _save_sharded(encoder, folder / "text_encoder", 4)
    (folder / "text_encoder" / "generation_config.json").unlink()
    _save_sharded(transformer, folder / "transformer", 5)
    vae.save_pretrained(folder / "vae")
    _save_older_tokenizer(folder / "tokenizer")
    Qwen2VLImageProcessorPil(min_pixels=56 * 56, max_pixels=56 * 56).save_pretrained(folder / "processor")
    FlowMatchEulerDiscreteScheduler(use_dynamic_shifting=True).save_pretrained(folder / "scheduler")
    return _index(folder, "QwenImageEditPlusPipeline")


def save_vitpose(folder: Path, seed: int = 0) -> Path:
    """ViTPose with the simple decoder."""
    from transformers import VitPoseBackboneConfig, VitPoseConfig, VitPoseForPoseEstimation
    from transformers.models.vitpose.image_processing_pil_vitpose import VitPoseImageProcessorPil

    torch.manual_seed(seed)
    backbone = VitPoseBackboneConfig(
        image_size=[64, 48],
        patch_size=[16, 16],
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        out_indices=[2],
    )
    config = VitPoseConfig(backbone_config=backbone, num_labels=17, use_simple_decoder=True)
    VitPoseForPoseEstimation(config).save_pretrained(folder)
    VitPoseImageProcessorPil(size={"height": 64, "width": 48}).save_pretrained(folder)
    return folder


def tiny_tokenizer() -> Any:
    """One token a byte, and the marks."""
    from transformers import Qwen2TokenizerFast

    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Qwen2TokenizerFast(
        vocab={letter: number for number, letter in enumerate(alphabet)},
        merges=[],
        pad_token=MARKS[0],
        eos_token="<|im_end|>",
        additional_special_tokens=list(MARKS),
    )
    tokenizer.chat_template = CHAT
    return tokenizer


def change_tensors(path: Path, change: Callable[[dict[str, torch.Tensor]], None]) -> None:
    """Rewrite a safetensors file."""
    from safetensors.torch import load_file, save_file

    tensors = load_file(path)
    change(tensors)
    save_file(tensors, path, metadata={"format": "pt"})


def _qwen_vl() -> Any:
    """A text encoder that sees pictures."""
    from transformers import Qwen2_5_VLConfig, Qwen2_5_VLForConditionalGeneration

    tokenizer = tiny_tokenizer()
    marks = dict(zip(IMAGE_MARKS, tokenizer.convert_tokens_to_ids(list(IMAGE_MARKS)), strict=True))
    text = {
        "vocab_size": len(tokenizer),
        "hidden_size": 16,
        "intermediate_size": 16,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "num_key_value_heads": 1,
        "bos_token_id": None,
        "eos_token_id": None,
        "rope_parameters": {"rope_type": "default", "rope_theta": 1e6, "mrope_section": [1, 1, 2]},
    }
    vision = {"depth": 2, "hidden_size": 16, "intermediate_size": 16, "num_heads": 2, "out_hidden_size": 16}
    return Qwen2_5_VLForConditionalGeneration(
        Qwen2_5_VLConfig(
            text_config=text,
            vision_config=vision | {"fullatt_block_indexes": [1], "window_size": 112},
            vision_start_token_id=marks["<|vision_start|>"],
            vision_end_token_id=marks["<|vision_end|>"],
            image_token_id=marks["<|image_pad|>"],
            video_token_id=marks["<|video_pad|>"],
        )
    )


def _save_sharded(network: Any, folder: Path, count: int) -> None:
    """In so many files, as large networks are published."""
    size = sum(tensor.numel() * tensor.element_size() for tensor in network.state_dict().values())
    for limit in range(size // count, size, max(1, size // 200)):
        shutil.rmtree(folder, ignore_errors=True)
        network.save_pretrained(folder, max_shard_size=limit)
        if len(list(folder.glob("*.safetensors"))) == count:
            return
    raise AssertionError(f"{size} bytes do not split into {count} files")


def _save_older_tokenizer(folder: Path) -> None:
    """The same tokenizer in the files of earlier versions of transformers."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    added = {mark: len(alphabet) + number for number, mark in enumerate(MARKS)}
    decoder = {str(number): {"content": mark, "special": True} for mark, number in added.items()}
    special = {"eos_token": "<|im_end|>", "pad_token": MARKS[0], "additional_special_tokens": list(MARKS)}
    folder.mkdir(parents=True)
    (folder / "merges.txt").write_text("#version: 0.2\n", encoding="utf-8")
    for name, document in {
        "vocab": {letter: number for number, letter in enumerate(alphabet)},
        "added_tokens": added,
        "special_tokens_map": special,
        "tokenizer_config": {"tokenizer_class": "Qwen2Tokenizer", "added_tokens_decoder": decoder, **special},
    }.items():
        (folder / f"{name}.json").write_text(json.dumps(document), encoding="utf-8")


def _index(folder: Path, pipeline: str, **members: Any) -> Path:
    (folder / "model_index.json").write_text(json.dumps({"_class_name": pipeline, **members}), encoding="utf-8")
    return folder
