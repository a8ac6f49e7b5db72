# SPDX-License-Identifier: GPL-3.0-or-later
"""Every diagnosis, on drawn pictures with and without the defect."""

import cv2
import numpy as np
import pytest

from models.draft.diagnose import CODES, Finding, diagnose
from models.draft.errors import NoSubjectFound

SIDE = 1024
MIDDLE = SIDE / 2
PX_PER_HEAD = 116.0


def draw(arm_deg: float = 40.0, leg_deg: float = 12.0, lean_deg: float = 0.0, scale: float = 1.0) -> np.ndarray:
    """A doll with a checked skin: (SIDE, SIDE, 4) uint8. Angles of the limbs from hanging down; lean counter-clockwise;
    scale 1 makes it 0.85 of the picture high."""
    mask = np.zeros((SIDE, SIDE), np.uint8)
    cv2.circle(mask, at(0.0, 0.9), round(0.5 * PX_PER_HEAD), 255, -1)
    cv2.rectangle(mask, at(-0.75, 1.5), at(0.75, 4.4), 255, -1)
    for side in (-1.0, 1.0):
        for (x, y), degrees, length in (((0.6, 1.8), arm_deg, 2.6), ((0.4, 4.2), leg_deg, 3.3)):
            angle = np.radians(degrees)
            end = at(side * (x + length * np.sin(angle)), y + length * np.cos(angle))
            cv2.line(mask, at(side * x, y), end, 255, round(0.5 * PX_PER_HEAD))
    mask = cv2.GaussianBlur(mask, (3, 3), 0.8)
    matrix = cv2.getRotationMatrix2D((MIDDLE, MIDDLE), lean_deg, scale)
    y, x = np.mgrid[0:SIDE, 0:SIDE]
    checks = np.where((x // 24 + y // 24) % 2 == 0, 210, 60).astype(np.uint8)
    return np.dstack([checks, checks, checks, cv2.warpAffine(mask, matrix, (SIDE, SIDE))])


def at(heads_right: float, heads_down: float) -> tuple[int, int]:
    return round(MIDDLE + heads_right * PX_PER_HEAD), round(30 + heads_down * PX_PER_HEAD)


def blurred(rgba: np.ndarray, sigma_px: float) -> np.ndarray:
    return np.dstack([cv2.GaussianBlur(rgba[..., :3], (0, 0), sigma_px), rgba[..., 3]])


def enlarged(rgba: np.ndarray, side: int) -> np.ndarray:
    small = cv2.resize(rgba[..., :3], (side, side), interpolation=cv2.INTER_AREA)
    color = cv2.resize(small, (SIDE, SIDE), interpolation=cv2.INTER_CUBIC)
    return np.dstack([color, rgba[..., 3]])


def shifted(rgba: np.ndarray, right: int, down: int) -> np.ndarray:
    return cv2.warpAffine(rgba, np.array([[1.0, 0, right], [0, 1.0, down]]), (SIDE, SIDE))


def found(rgba: np.ndarray, code: str) -> list[Finding]:
    return [finding for finding in diagnose(rgba) if finding.code == code]


def test_a_good_picture_has_no_findings() -> None:
    assert diagnose(draw()) == ()


def test_findings_come_worst_first_with_a_code_of_the_list_and_a_cure() -> None:
    findings = diagnose(blurred(draw(arm_deg=0.0, leg_deg=0.0, scale=0.4), 4.0), is_outline_sure=False)
    assert len(findings) >= 4
    assert [finding.severity for finding in findings] == sorted((f.severity for f in findings), reverse=True)
    for finding in findings:
        assert finding.code in CODES and 0.0 <= finding.severity <= 1.0
        assert ": " in finding.sentence and finding.sentence.endswith(".")


def test_an_unsure_outline_is_a_busy_background() -> None:
    assert [finding.code for finding in diagnose(draw(), is_outline_sure=False)] == ["busy_background"]


@pytest.mark.parametrize(("scale", "is_low"), [(1.0, False), (0.6, True), (0.2, True)])
def test_a_small_subject_is_low_resolution(scale: float, is_low: bool) -> None:
    findings = found(draw(scale=scale), "low_resolution")
    assert bool(findings) == is_low
    assert all(f"{finding.measure:.0f} pixels" in finding.sentence for finding in findings)


@pytest.mark.parametrize(("sigma_px", "severity"), [(2.4, 0.5), (5.0, 0.8)])
def test_a_blurred_picture_is_blurred_and_by_how_much(sigma_px: float, severity: float) -> None:
    (finding,) = found(blurred(draw(), sigma_px), "blur")
    assert finding.severity == severity
    assert not found(blurred(draw(), sigma_px), "fake_resolution")


def test_a_small_crisp_picture_is_not_blurred() -> None:
    assert not found(draw(scale=0.3), "blur")


def test_an_enlarged_picture_has_a_fake_resolution() -> None:
    soft = {finding.code for finding in diagnose(enlarged(draw(), 370))}
    assert soft == {"fake_resolution"}


def test_a_flat_subject_is_neither_sharp_nor_blurred() -> None:
    rgba = draw()
    rgba[..., :3] = 128
    assert diagnose(rgba) == ()


@pytest.mark.parametrize(
    ("right", "down", "side", "missing"),
    [
        (0, 200, "bottom", "feet"),
        (0, -150, "top", "head"),
        (-330, 0, "left", "an arm"),
        (330, 0, "right", "an arm"),
    ],
)
def test_a_cut_subject_is_cropped(right: int, down: int, side: str, missing: str) -> None:
    (finding,) = found(shifted(draw(), right, down), "cropped")
    assert f"the {side} edge" in finding.sentence and missing in finding.sentence


def test_a_subject_that_just_touches_the_edges_is_whole() -> None:
    rgba = draw()
    inside = rgba[..., 3] >= 128
    rows, columns = np.flatnonzero(inside.any(axis=1)), np.flatnonzero(inside.any(axis=0))
    tight = rgba[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    assert not found(tight, "cropped")


def test_two_subjects_are_several_and_a_speck_is_none() -> None:
    half = draw(scale=0.45)
    pair = np.maximum(shifted(half, -240, 0), shifted(half, 240, 0))
    (finding,) = found(pair, "several_subjects")
    assert finding.measure == 2.0
    speck = draw()
    speck[20:60, 20:60] = 255
    assert not found(speck, "several_subjects")


@pytest.mark.parametrize("lean_deg", [-20.0, -8.0, 8.0, 20.0])
def test_a_leaning_subject_is_tilted_by_that_much(lean_deg: float) -> None:
    (finding,) = found(draw(lean_deg=lean_deg, scale=0.9), "tilt")
    assert finding.measure == pytest.approx(lean_deg, abs=2.0)


def test_an_upright_subject_and_a_wide_one_are_not_tilted() -> None:
    assert not found(draw(lean_deg=2.0), "tilt")
    wide = np.zeros((SIDE, SIDE, 4), np.uint8)
    cv2.ellipse(wide, (512, 512), (400, 150), 10.0, 0.0, 360.0, (90, 90, 90, 255), -1)
    cv2.circle(wide, (880, 420), 110, (90, 90, 90, 255), -1)  # a head at one end
    assert not found(wide, "tilt")


def test_one_raised_arm_is_asymmetric() -> None:
    rgba = draw(arm_deg=15.0)
    cv2.line(rgba, at(0.6, 1.8), at(3.6, 0.2), (60, 60, 60, 255), 100)
    assert found(rgba, "asymmetric")
    assert not found(draw(arm_deg=15.0), "asymmetric")


@pytest.mark.parametrize(
    ("arm_deg", "leg_deg", "limb"), [(0.0, 12.0, "Arms"), (40.0, -8.0, "Legs"), (40.0, 12.0, None), (90.0, 12.0, None)]
)
def test_limbs_at_the_body_are_merged(arm_deg: float, leg_deg: float, limb: str | None) -> None:
    findings = found(draw(arm_deg=arm_deg, leg_deg=leg_deg), "limbs_merged")
    assert [finding.sentence.split()[0] for finding in findings] == ([limb] if limb else [])


def test_an_empty_picture_has_no_subject() -> None:
    with pytest.raises(NoSubjectFound, match="empty"):
        diagnose(np.zeros((64, 64, 4), np.uint8))
