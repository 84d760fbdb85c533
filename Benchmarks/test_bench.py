"""The bench's own arithmetic, files and tables; and its programs on the smallest cases."""
import argparse
import ast
import contextlib
import json
import os
import stat
import subprocess
import sys
import tempfile
import time
import unittest
from pathlib import Path
from types import SimpleNamespace

sys.path.insert(0, str(Path(__file__).parent))
import bench
import inputs
import machine
import measurements
import measuring
import results
import tables
import work

ROOT = Path(__file__).resolve().parents[1]
PROGRAM = Path(os.environ.get("HEADIMPACT", ROOT / ".build/release/headimpact"))
PRODUCT_RATES = Path(os.environ.get("PRODUCT_RATES", ROOT / ".build/release/product-rates"))

# Decoder: 2 layers of width 4, 2 heads, 1 key-value head of 2, intermediate 6; vision: 3 layers of width 4, intermediate 8; patches of 12.
DECODER = {"q": (4, 4), "k": (2, 4), "v": (2, 4), "o": (4, 4), "gate": (6, 4), "up": (6, 4), "down": (4, 6)}
LAYER = 16 + 8 + 8 + 16 + 24 + 24 + 24


def small(vision_names=("attn.qkv", "attn.proj", "mlp.fc1", "mlp.fc2"), config=None, head="model.embed_tokens.weight"):
    tensors = {head: ([10, 4], 2), "visual.patch_embed.proj.weight": ([4, 3, 1, 2, 2], 2),
               "visual.merger.mlp.0.weight": ([16, 16], 2), "visual.pos_embed.weight": ([100, 4], 2)}
    shapes = dict(zip(vision_names, ([12, 4], [4, 4], [8, 4], [4, 8])))
    for i in range(3):
        tensors |= {f"visual.blocks.{i}.{name}.weight": (shape, 2) for name, shape in shapes.items()}
        tensors[f"visual.blocks.{i}.norm1.weight"] = ([4], 2)
    for i in range(2):
        tensors |= {f"model.layers.{i}.{'mlp' if name in ('gate', 'up', 'down') else 'self_attn'}.{name}_proj.weight": (list(shape), 2)
                    for name, shape in DECODER.items()}
    return work.Checkpoint(tensors, {"model_type": "qwen2_vl", "vision_config": {"patch_size": 2}} | (config or {}))


class Work(unittest.TestCase):
    def test_the_weights_of_a_checkpoint_are_told_apart_by_name(self):
        c = small()
        self.assertEqual((c.patch, c.vision, c.projector, c.vision_layers, c.vision_width), (48, 3 * 128, 256, 3, 4))
        self.assertEqual((c.layer_weights, c.layers, c.width, c.head, c.decoder_bytes), (LAYER, 2, 4, 40, 2 * (2 * LAYER + 40)))

    def test_an_image_costs_its_patches_layers_pairs_and_projector(self):
        # 6 patches: 2 * 6 * (48 + 384) of products, 4 * 4 * 6 * 6 pairs in 3 layers, 2 tokens of 256.
        self.assertEqual(work.vision_operations(small(), [6, 12], 2), 5184 + 1728 + 1024)

    def test_windows_count_where_layers_have_them(self):
        c = small(config={"vision_config": {"patch_size": 2, "window_size": 4, "fullatt_block_indexes": [1]}})
        self.assertEqual(work.vision_operations(c, [6, 12], 2), 5184 + 4 * 4 * 6 * (6 + 2 * 4) + 1024)

    def test_tiles_see_their_own_patches(self):
        self.assertEqual(work.patches(small(), [1, 3, 3, 4, 6]), (18, 6))

    def test_descriptions_share_their_image_and_prompt(self):
        c = small()
        # Prefix 3, descriptions of 2 and 1. One whole layer of 6 rows; pairs 6 + (2 * 3 + 3) + (1 * 3 + 1) = 19; then keys of 6 rows and
        # queries of 3, and the weights of 13 pairs (q.k only).
        decoder = 2 * 6 * LAYER + 16 * 19 + 2 * 6 * 8 + 2 * 3 * 16 + 8 * 13
        self.assertEqual(work.score_operations(c, [6, 12], 2, 3, [2, 1]), 7936 + decoder)

    def test_paligemma_sees_its_prefix_both_ways(self):
        self.assertEqual(work.pairs(small(config={"model_type": "paligemma"}), 3, [2]), 9 + 9)

    def test_training_passes_only_adapted_layers_backwards(self):
        c = small()
        # 5 rows, answer 2, layer 1 (the last) adapted: keys and values of 5 rows, the rest of 2; 4 + 5 pairs.
        last = 2 * 5 * 16 + 2 * 2 * (LAYER - 16) + 16 * 9
        lower = 2 * 5 * LAYER + 16 * 15
        first, later = work.train_operations(c, [6, 12], 2, 5, 2, 1)
        self.assertEqual(later, 2 * last + 16 * 9 + 2 * 2 * 2 * 40)
        self.assertEqual(first, later + lower + 7936)

    def test_a_question_costs_all_rows_but_the_last_layer_s_last_one(self):
        # 3 rows: a whole layer with 6 pairs, keys and values of the last one, its last row with 3 pairs, and the head.
        decoder = 2 * 3 * LAYER + 16 * 6 + 2 * 3 * 16 + 2 * (LAYER - 16) + 16 * 3 + 2 * 40
        self.assertEqual(work.prefill_operations(small(), [6, 12], 2, 3), 7936 + decoder)

    def test_a_step_reads_every_weight_or_multiplies_every_row(self):
        limits = {"f32": 1000.0, "bandwidth": 10.0}
        self.assertEqual(work.step_seconds(small(), limits, "f32", 1), 2 * (2 * LAYER + 40) / 10)
        self.assertEqual(work.step_seconds(small(), limits, "f32", 100), 200 * (2 * LAYER + 40) / 1000)

    def test_the_floor_of_qwen2_vl_2b_is_what_the_product_estimates(self):
        decoder = {"q": (1536, 1536), "k": (256, 1536), "v": (256, 1536), "o": (1536, 1536), "gate": (8960, 1536), "up": (8960, 1536),
                   "down": (1536, 8960)}
        tensors = {f"model.layers.{i}.self_attn.{n}_proj.weight": (list(s), 2) for i in range(28) for n, s in decoder.items()}
        vision = {"attn.qkv": [3840, 1280], "attn.proj": [1280, 1280], "mlp.fc1": [5120, 1280], "mlp.fc2": [1280, 5120]}
        tensors |= {f"visual.blocks.{i}.{n}.weight": (s, 2) for i in range(32) for n, s in vision.items()}
        tensors |= {"model.embed_tokens.weight": ([151936, 1536], 2), "visual.patch_embed.proj.weight": ([1280, 3, 2, 14, 14], 2),
                    "visual.merger.mlp.0.weight": ([5120, 5120], 2), "visual.merger.mlp.2.weight": ([1536, 5120], 2)}
        c = work.Checkpoint(tensors, {"model_type": "qwen2_vl", "vision_config": {"patch_size": 14}})
        # headimpact doctor says 3.55 TFLOP of a 640x480 photograph and one description.
        self.assertAlmostEqual(work.score_operations(c, [1564, 1176], 391, 420, [6]) / 1e12, 3.52, delta=0.04)
        # 1.54e9 weights in bf16.
        self.assertAlmostEqual(c.decoder_bytes / 1e9, 3.09, delta=0.01)


class Machine(unittest.TestCase):
    def test_the_peak_of_bf16_is_that_of_the_instructions_that_the_program_uses(self):
        said = {"hasFastBFloat16": True, "limits": [{"threads": 2, "peaks": {"avx2": 100, "avx512": 200, "bf16": 390}, "bandwidth": 30}]}
        self.assertEqual(machine.parsed_limits(said), {2: {"f32": 200, "bf16": 390, "bandwidth": 30}})
        self.assertEqual(machine.parsed_limits(said | {"hasFastBFloat16": False})[2]["bf16"], 200)

    def test_a_peak_is_the_highest_of_all_that_were_measured(self):
        self.assertEqual(machine.highest([{2: {"f32": 5, "bandwidth": 9}}, {"2": {"f32": 7, "bandwidth": 8}}]), {2: {"f32": 7, "bandwidth": 9}})

    def test_idle_and_waiting_processors_are_not_busy(self):
        ticks = os.sysconf("SC_CLK_TCK")
        self.assertEqual(machine.busy_seconds(f"cpu  {ticks} {ticks} {ticks} 999 999 0 0 {ticks} 0 0\ncpu0 1 1"), 4)

    def test_what_this_process_computes_is_not_another_s(self):
        quietness = machine.Quietness(moment=0.01)
        quietness.start = (machine.busy_seconds() - 5, machine.own_seconds() - 5, time.monotonic() - 10)
        self.assertLess(quietness.end()["others"], 5)


class Stored(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.store = results.Store(Path(folder.name) / "results")
        self.runs = 0

    def runner(self, program="p", deadline=float("inf"), fresh=False):
        return bench.Runner(self.store, {measurements.OURS: {"program": program}}, None, lambda: {2: {"f32": 1}}, deadline, fresh)

    def measurement(self, values, form=""):
        def run(_):
            self.runs += 1
            if isinstance(values, Exception):
                raise values
            return values
        return measurements.Measurement("score 1 f32", measurements.OURS, "score", run, form)

    def measure(self, runner, values, form=""):
        with open(os.devnull, "w") as nowhere:
            sys.stdout, was = nowhere, sys.stdout
            try:
                return runner.measure(self.measurement(values, form))
            finally:
                sys.stdout = was

    def test_a_result_is_kept_for_the_same_program_and_made_again_for_another(self):
        self.measure(self.runner(), {"seconds": 1.0})
        self.assertEqual(self.measure(self.runner(), {"seconds": 2.0})["values"], {"seconds": 1.0})
        self.assertEqual(self.measure(self.runner("q"), {"seconds": 3.0})["values"], {"seconds": 3.0})
        self.assertEqual(self.measure(self.runner("q", fresh=True), {"seconds": 4.0})["values"], {"seconds": 4.0})
        self.assertEqual(self.runs, 3)

    def test_a_result_of_another_form_is_made_again(self):
        self.measure(self.runner(), {"seconds": 1.0})
        self.assertEqual(self.measure(self.runner(), {"seconds": 2.0}, "20 tokens")["values"], {"seconds": 2.0})
        self.assertEqual(self.measure(self.runner(), {"seconds": 3.0}, "20 tokens")["values"], {"seconds": 2.0})

    def test_our_measurements_are_between_two_of_the_limits(self):
        runner, moments = self.runner(), iter([{2: {"bandwidth": 5}}, {2: {"bandwidth": 7}}])
        runner.limits = lambda: next(moments)
        stored = self.measure(runner, {"seconds": 1.0})
        self.assertEqual((stored["limits"], stored["limits_after"]), ({2: {"bandwidth": 5}}, {2: {"bandwidth": 7}}))

    def test_nothing_begins_after_the_deadline(self):
        runner = self.runner(deadline=time.monotonic() - 1)
        self.assertIsNone(self.measure(runner, {"seconds": 1.0}))
        self.assertEqual((runner.omitted, self.runs), (["score 1 f32"], 0))

    def test_a_failure_is_named_and_not_stored(self):
        runner = self.runner()
        self.measure(runner, subprocess.CalledProcessError(1, "x", stderr="Error: no model"))
        self.assertEqual(runner.failed, ["score 1 f32: Error: no model"])
        self.assertIsNone(self.store.get("score 1 f32"))

    def test_what_was_killed_for_memory_is_a_result(self):
        self.measure(self.runner(), measurements.Killed())
        self.assertEqual(self.store.get("score 1 f32")["values"], {"killed": True, "memory": machine.memory()})

    def test_half_a_file_is_no_result(self):
        self.store.folder.mkdir()
        self.store.path("a b").write_text('{"key": ')
        self.assertIsNone(self.store.get("a b"))


class Plan(unittest.TestCase):
    def test_emulated_bf16_is_no_opponent(self):
        self.assertEqual(measurements.worthwhile({"f32": 130e9, "bf16": 17e9}), ["f32"])
        self.assertEqual(measurements.worthwhile({"f32": 130e9, "bf16": 900e9}), ["bf16", "f32"])
        self.assertEqual(measurements.worthwhile({"f32": 130e9, "bf16": 250e9}), ["bf16", "f32"])

    def test_names_are_unique_and_the_most_important_come_first(self):
        names = [m.name for stage in measurements.plan(["bf16", "f32"]) for m in stage]
        self.assertEqual(len(names), len(set(names)))
        self.assertEqual(names[:4], ["score 1 f32", "score 1 bf16", "transformers score eager bf16", "transformers score eager f32"])
        self.assertLess(names.index("ranks bf16"), names.index("generate serial f32"))

    def test_every_part_can_be_chosen_alone(self):
        self.assertEqual({m.part for m in measurements.plan(["f32"])[0]}, set(bench.PARTS))

    def test_the_bound_is_measured_in_all_types_of_the_opponent(self):
        names = [m.name for m in measurements.plan(["bf16", "f32"])[1]]
        self.assertEqual([n for n in names if "score sdpa" in n], ["transformers score sdpa bf16", "transformers score sdpa f32"])

    def test_of_families_beside_each_other_descriptions_are_measured_with_the_opponent_s_faster_type(self):
        first, rest = ([m.name for m in stage] for stage in measurements.brief(["f32", "bf16"]))
        self.assertEqual((first, rest), (["score 1 bf16", "transformers score eager f32", "score 5 bf16"], ["score 1 f32", "score 5 f32"]))
        self.assertLessEqual({*first, *rest}, {m.name for m in measurements.known()})

    def test_families_are_named_alone_together_or_all(self):
        self.assertEqual(bench.families("gemma-3-4b"), ["gemma-3-4b"])
        self.assertEqual(bench.families("gemma-3-4b,qwen2-vl-2b"), ["qwen2-vl-2b", "gemma-3-4b"])
        self.assertEqual(bench.families("all"), list(inputs.FAMILIES))
        with self.assertRaises(argparse.ArgumentTypeError):
            bench.families("gemma-3-4b,gemma")

    def test_a_linked_checkpoint_is_one_that_is_there(self):
        with tempfile.TemporaryDirectory() as folder:
            folder = Path(folder)
            (folder / "elsewhere").mkdir()
            (folder / "gemma-3-4b-random").symlink_to(folder / "elsewhere")
            self.assertFalse(inputs.exists("gemma-3-4b", folder))
            (folder / "elsewhere/config.json").write_text("{}")
            self.assertTrue(inputs.exists("gemma-3-4b", folder))
            self.assertEqual(inputs.checkpoint("gemma-3-4b", folder), folder / "gemma-3-4b-random")

    def test_families_are_those_that_checkpoints_can_be_made_of(self):
        tree = ast.parse((ROOT / "Benchmarks/make_full.py").read_text())
        sizes = next(n.value for n in tree.body if isinstance(n, ast.Assign) and n.targets[0].id == "SIZES")
        self.assertEqual([key.value for key in sizes.keys], list(inputs.OTHERS))
        self.assertEqual(set(inputs.GIGABYTES), set(inputs.FAMILIES))


# What `generate` prints and writes: passes of 1 and 2 texts that take other times in each run.
GENERATING = """#!{python}
import json, pathlib, sys
options = dict(zip(sys.argv[2::2], sys.argv[3::2]))
folder = pathlib.Path(sys.argv[0]).parent
runs = folder / "runs"
runs.write_text(runs.read_text() + "x" if runs.exists() else "x")
seconds = 3 - len(runs.read_text())
images = json.loads(pathlib.Path(sys.argv[sys.argv.index("--dataset") + 1]).read_text())["images"]
pathlib.Path(sys.argv[sys.argv.index("--output") + 1]).write_text(json.dumps([{{}} for _ in images]))
kind = lambda median: {{"count": 9, "seconds": 9 * median, "median": median}}
print(json.dumps({{"passes": {{"beginning": kind(5 * seconds), "continuing": {{"1": kind(0.1 * seconds), "2": kind(0.25 * seconds)}}}}}}))
"""


class Generating(unittest.TestCase):
    def measured(self, pictures, batch):
        with tempfile.TemporaryDirectory() as folder:
            folder = Path(folder)
            program = folder / "program"
            program.write_text(GENERATING.format(python=sys.executable))
            program.chmod(program.stat().st_mode | stat.S_IXUSR)
            drawn = [inputs.drawn(folder, 8, 8, seed) for seed in range(pictures)]
            return measurements.generate(pictures, batch, "f32")(
                measurements.Setting(program, folder, folder, drawn[0], drawn, "0", 1, rounds=2))

    def test_a_step_is_the_fastest_run_s_median_pass_of_a_whole_batch(self):
        one, two, three = self.measured(1, 1), self.measured(2, 2), self.measured(3, 3)
        self.assertEqual((one["step"], two["step"], three["step"]), (0.1, 0.25, None))
        self.assertEqual((one["prefill"], len(one["passes"]), one["seconds"]), (5, 2, min(one["rounds"])))

    def test_a_measured_process_is_the_first_to_be_killed_for_memory(self):
        self.assertEqual(measuring.run_watched(["sh", "-c", "sleep 0.2; cat /proc/self/oom_score_adj"])[0], "1000\n")

    def test_private_memory_is_what_a_process_has_for_itself(self):
        with tempfile.NamedTemporaryFile() as file:
            file.write(bytes(100 << 20))
            file.flush()
            command = f"""
import mmap, time
own = bytearray(b'x') * (50 << 20)
with open({file.name!r}, 'rb') as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
    sum(mapped[::4096])
    time.sleep(1)
"""
            watch = measuring.run_watched([sys.executable, "-c", command])[2]
        self.assertTrue(50 << 20 < watch.peak < 100 << 20, watch.peak)
        self.assertGreater(watch.peak_with_files, 150 << 20)


def result(**values):
    return {"values": values, "made": "2030-01-02 03:04:05Z", "conditions": {"quiet": True}, "limits": {}}


def between(bandwidth, after, **values):
    return result(**values) | {"limits": {"2": {"f32": 5e5, "bandwidth": bandwidth}}, "limits_after": {"2": {"f32": 5e5, "bandwidth": after}}}


class Tables(unittest.TestCase):
    LIMITS = {2: {"f32": 1e6, "bf16": 2e6, "bandwidth": 1e5}}
    RESULTS = {
        "basis": result(described=[{"pixels": [6, 12], "visual": 2, "prefix": 3, "caption": 2}] * 5, pictured={"pixels": [6, 12], "visual": 2, "question": 3}),
        "score 1 f32": result(seconds=2.0, private_bytes=300e6), "score 5 f32": result(seconds=2.5, private_bytes=310e6),
        "transformers score eager f32": result(seconds=4.0, private_bytes=5e9), "transformers score eager bf16": result(seconds=2.8, private_bytes=2e9),
        "train f32": result(first=10.0, later=2.0), "peft train sdpa f32": result(step=13.0), "peft train eager f32": result(step=14.0),
        "generate one f32": result(step=0.5), "generate many f32": result(step=1.0, batch=16, pictures=16, tokens=21, seconds=40.0),
        "transformers generate f32": result(batches=[{"batch": 1, "pictures": 1, "step": 0.4, "seconds": 8.0},
                                                     {"batch": 16, "pictures": 16, "step": 2.0, "seconds": 70.0}]),
        "ranks f32": result(one=19.0, two=10.0)}

    def table(self, changed=None):
        return tables.Table(self.RESULTS | (changed or {}), small(), self.LIMITS, 2, 1)

    def row(self, beginning, changed=None):
        return next(r for r in self.table(changed).rows() if r.name.startswith(beginning))

    def test_the_opponent_is_the_faster_type(self):
        row = self.row("score, one description, f32")
        self.assertEqual((row.theirs, row.who, round(row.ratio, 3), row.memory), (2.8, "eager bf16", 1.4, (2e9, 300e6)))

    def test_five_descriptions_are_five_passes_of_the_opponent(self):
        self.assertEqual(self.row("score, five").theirs, 14.0)

    def test_efficiency_is_the_floor_over_the_time(self):
        row = self.row("score, one description, f32")
        self.assertAlmostEqual(row.floor, work.score_operations(small(), [6, 12], 2, 3, [2]) / 1e6)
        self.assertAlmostEqual(row.efficiency, row.floor / 2)
        self.assertIsNone(row.efficiency_beside)

    def test_beside_it_stands_the_efficiency_by_the_limits_of_those_minutes(self):
        row = self.row("generate, a token, one picture at a time, f32", {"generate one f32": between(4e4, 5e4, step=0.5)})
        self.assertAlmostEqual(row.floor, small().decoder_bytes / 1e5)
        self.assertAlmostEqual(row.efficiency_beside, small().decoder_bytes / 5e4 / 0.5)
        self.assertEqual(tables.cells(row)[6:9], [tables.ratio(row.efficiency), "0.85, missed", tables.ratio(2 * row.efficiency)])

    def test_each_epoch_has_its_own_floor(self):
        first, later = list(self.table({"train f32": between(1e4, 1e4, first=10.0, later=2.0)}).train())[:2]
        self.assertEqual((round(first.floor * 1e6), round(later.floor * 1e6)), work.train_operations(small(), [6, 12], 2, 6, 3, 1))
        self.assertAlmostEqual(first.floor_beside, 2 * first.floor)

    def test_an_epoch_s_step_is_compared_with_the_faster_attention(self):
        self.assertEqual([(r.ratio, r.who) for r in self.table().train()][:2], [(1.3, "PEFT sdpa f32"), (6.5, "PEFT sdpa f32")])

    def test_many_pictures_are_compared_with_one_and_with_the_opponent_s_best_batch(self):
        self.assertEqual(self.row("generate, a token, 16 pictures").ratio, 8.0)
        row = self.row("generate, 16 pictures")
        self.assertEqual((row.theirs, row.who, row.ratio), (70.0, "sdpa f32, batch 16", 1.75))
        self.assertAlmostEqual(row.floor, 16 * work.prefill_operations(small(), [6, 12], 2, 3) / 1e6
                               + 20 * work.step_seconds(small(), self.LIMITS[2], "f32", 16))

    def test_two_ranks_are_compared_with_one(self):
        self.assertEqual(self.row("score, two ranks").ratio, 1.9)

    def test_what_was_not_measured_is_a_dash_and_not_a_row_of_its_own(self):
        self.assertNotIn("score, one description, bf16", [r.name for r in self.table().rows()])
        for memory, said in ((None, "needs more memory"), (24.2e9, "needs more than 24 GB")):
            killed = {f"transformers score eager {t}": result(killed=True, memory=memory) for t in ("f32", "bf16")}
            self.assertEqual(tables.cells(self.row("score, one description, f32", killed))[1:4], [said, "2.00 s", "–"])

    def test_without_results_there_are_no_rows(self):
        self.assertEqual(tables.Table({}, small(), {}, 2, 1).rows(), [])

    def test_a_missed_goal_stands_beside_its_number(self):
        self.assertEqual(tables.judged(1.4, 1.5), "1.5, missed")
        self.assertEqual(tables.judged(1.5, 1.5), "1.5")
        self.assertEqual(tables.judged(None, 1.5), "1.5")

    def test_times_have_three_digits(self):
        self.assertEqual([tables.seconds(n) for n in (None, 0.00012, 0.0954, 0.5, 1.234, 28.04, 625.2)],
                         ["–", "0.12 ms", "95.4 ms", "500 ms", "1.23 s", "28.0 s", "625 s"])

    def test_markdown_has_as_many_cells_in_each_line(self):
        lines = tables.markdown(self.table().rows()).split("\n")
        self.assertEqual({line.count("|") for line in lines}, {len(tables.HEADING) + 1})

    def test_the_text_below_says_whether_the_machine_was_quiet(self):
        versions = {"torch": "1", "transformers": "2", "peft": "3"}
        self.assertIn("The machine was quiet", tables.summary(self.table(), versions, "a processor", "version 7"))
        loud = {"train f32": self.RESULTS["train f32"] | {"conditions": {"quiet": False}}}
        self.assertIn("during 1 of 12", tables.conditions_text(self.RESULTS | loud))

    def test_the_text_below_says_what_memory_gave_beside_the_measurements(self):
        self.assertEqual(tables.bandwidths_text(self.table()), "")
        table = self.table({"generate one f32": between(4e10, 5e10, step=0.5), "score 1 f32": between(7e10, 6e10, seconds=2.0)})
        self.assertIn("50 to 70 GB/s", tables.bandwidths_text(table))

    def test_a_family_is_one_row(self):
        lines = tables.families_markdown(tables.families_rows({"gemma-3-4b": self.table()}, "7")).split("\n")
        self.assertEqual(lines[2], "| gemma-3-4b | 2.80 s (eager bf16), 2.00 s (f32) | 1.40 | 14.0 s (eager bf16), 2.50 s (f32) | 5.60 | 0.00 | 300 | 7 |")
        self.assertEqual({line.count("|") for line in lines}, {len(tables.FAMILIES_HEADING) + 1})

    def test_only_what_is_between_the_markers_is_replaced(self):
        begin, end = tables.BEGIN.format(name="bench"), tables.END.format(name="bench")
        self.assertEqual(tables.replaced(f"a\n{begin}\nold\n{end}\nb", "bench", "new"), f"a\n{begin}\nnew\n{end}\nb")
        for text in ("nothing", f"{end}{begin}", f"{begin}{begin}{end}"):
            with self.assertRaises(ValueError):
                tables.replaced(text, "bench", "new")

    def test_the_readme_s_tables_are_replaced_by_what_was_measured(self):
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "README.md"
            path.write_text((ROOT / "README.md").read_text())
            before = tables.kept(path.read_text(), "bench-families")
            bench.write_readme([SimpleNamespace(family=f, digest="abc", table=self.table) for f in (inputs.QWEN2_VL, "gemma-3-4b")], "7.8", path)
            written = path.read_text()
            bench.write_readme([SimpleNamespace(family=inputs.QWEN2_VL, digest="abc", table=self.table)], "7.9", path)
            later = path.read_text()
        self.assertIn("| score, one description, f32 | 2.80 s (eager bf16) | 2.00 s | 1.40 | 1.5, missed |", written)
        self.assertIn("version 7.8 (program abc), 2030-01-02", written)
        self.assertIn("| gemma-3-4b | 2.80 s (eager bf16), 2.00 s (f32) | 1.40 |", written)
        # Families that are not measured keep their rows, with the version that they were measured with.
        after = tables.kept(written, "bench-families")
        self.assertEqual((after.pop("gemma-3-4b")[-1], before.pop("gemma-3-4b")[0]), ("7.8", "gemma-3-4b"))
        self.assertEqual(after, before)
        self.assertEqual(tables.between(later, "bench-families")[1], tables.between(written, "bench-families")[1])

    def test_a_row_of_the_same_version_that_is_not_measured_anew_is_marked(self):
        begin, end = tables.BEGIN.format(name="bench-families"), tables.END.format(name="bench-families")
        rows = tables.families_rows({"gemma-3-4b": self.table()}, "7.8") | tables.families_rows({"smolvlm2-2.2b": self.table()}, "7.7")
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "README.md"
            path.write_text(f"{begin}\n{tables.families_markdown(rows)}\n{end}")
            for _ in range(2):
                bench.write_readme([SimpleNamespace(family="qwen3-vl-2b", digest="abc", table=self.table)], "7.8", path)
            self.assertEqual([cells[-1] for cells in tables.kept(path.read_text(), "bench-families").values()],
                             ["7.8", "7.7", "7.8, an earlier build"])

    def test_a_row_of_another_form_is_not_kept_silently(self):
        begin, end = tables.BEGIN.format(name="bench"), tables.END.format(name="bench")
        self.assertEqual(tables.kept(f"{begin}\n| | x |\n|---|---|\n{end}", "bench"), {})
        with self.assertRaisesRegex(ValueError, "row of gemma-3-4b has 2 cells"):
            tables.kept(f"{begin}\n| gemma-3-4b | 7 s |\n{end}", "bench")

    def test_without_results_the_readme_stays_as_it_is(self):
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "README.md"
            path.write_text("as it is")
            with open(os.devnull, "w") as nowhere, contextlib.redirect_stdout(nowhere):
                bench.write_readme([SimpleNamespace(family=inputs.QWEN2_VL, digest="abc", table=lambda: tables.Table({}, small(), {}, 2, 1))], "7", path)
            self.assertEqual(path.read_text(), "as it is")


class Programs(unittest.TestCase):
    def product_rates(self, *options):
        return subprocess.run([PRODUCT_RATES, *options], capture_output=True, text=True)

    def test_product_rates_measures_products_and_limits(self):
        done = self.product_rates("--shapes", "vl-2b k v", "--rows", "16,437", "--threads", "1", "--precision", "f32", "--seconds", "0", "--json")
        self.assertEqual(done.returncode, 0, done.stderr)
        said = json.loads(done.stdout)
        self.assertEqual([(p["rows"], p["direction"]) for p in said["products"]], [(16, "forward"), (437, "forward"), (437, "backward")])
        peak = machine.parsed_limits(said)[1]["f32"]
        for product in said["products"]:
            self.assertAlmostEqual(product["efficiency"], product["ours"] / peak)
        self.assertGreater(machine.parsed_limits(said)[1]["bandwidth"], 1e8)
        # A few rows wait for memory, and the most that it gave is the limit.
        self.assertEqual([p["rows"] for p in said["products"] if "shareBeside" in p], [16])
        self.assertLessEqual(said["products"][0]["bandwidthShare"], said["products"][0]["shareBeside"])

    def test_product_rates_ends_with_what_each_kind_reaches(self):
        done = self.product_rates("--shapes", "vl-2b k v,vl-2b vision out", "--rows", "1,437", "--threads", "1", "--precision", "f32", "--seconds", "0", "--forward")
        self.assertEqual(done.returncode, 0, done.stderr)
        heading, few, many, _, sentence = done.stdout.splitlines()[-5:]
        self.assertEqual(heading.split()[:5], ["type", "threads", "direction", "rows", "products"])
        self.assertEqual((few.split()[:8], many.split()[:8]), (["f32", "1", "forward", "1", "1", "85%", "of", "the"],
                                                               ["f32", "1", "forward", "437", "2", "90%", "of", "the"]))
        self.assertIn("Of 2 products of 100 rows or more, ", sentence)

    def test_product_rates_refuses_what_it_can_t_measure(self):
        for options in (["--rows", "0"], ["--threads", "x"], ["--precision", "f64"], ["--shapes", "nothing"]):
            self.assertEqual(self.product_rates(*options).returncode, 64, options)

    def test_the_quick_form_measures_our_side_and_resumes(self):
        with tempfile.TemporaryDirectory() as folder:
            command = [sys.executable, ROOT / "Benchmarks/bench.py", "--quick", "--side", "headimpact", "--only", "generate", "--folder", folder,
                       "--binary", PROGRAM, "--product-rates", PRODUCT_RATES, "--json"]
            first, second = (subprocess.run(command, capture_output=True, text=True) for _ in range(2))
        self.assertEqual((first.returncode, second.returncode), (0, 0), first.stderr + first.stdout[-2000:])
        rows = json.loads(first.stdout.splitlines()[-1])
        whole = next(row for row in rows if "whole run, f32" in row["name"])
        self.assertGreater(whole["ours"], 0)
        self.assertGreater(whole["floor"], 0)
        self.assertGreater(whole["floor_beside"], 0)
        step = next(row for row in rows if "one picture at a time, f32" in row["name"])
        self.assertGreater(step["ours"], 0)
        self.assertLess(step["ours"], whole["ours"])
        self.assertIn("generate many f32: kept from", second.stdout)


if __name__ == "__main__":
    unittest.main()
