"""Cases of control flow, sequences, optionals, strings, and ai.onnx.ml. Truth is onnxruntime's where the reference
evaluator has no such form, or the definition, written out in the case."""

import numpy as np
import onnx
from onnx import TensorProto, helper

F, D, I, B = TensorProto.FLOAT, TensorProto.DOUBLE, TensorProto.INT64, TensorProto.BOOL
S = TensorProto.STRING
ML = "ai.onnx.ml"


def value(name, kind, dims=None):
    return helper.make_tensor_value_info(name, kind, dims)


def graph(nodes, ins, outs, inits=(), name="body"):
    return helper.make_graph(nodes, name, ins, outs, list(inits))


def model(nodes, ins, outs, version=21, ml=None, inits=()):
    opsets = [helper.make_opsetid("", version)] + ([helper.make_opsetid(ML, ml)] if ml else [])
    return helper.make_model(graph(nodes, ins, outs, inits, "g"), opset_imports=opsets, ir_version=10)


def text(a):
    return np.array(a, dtype=object)


# ---- control flow


def loop_body(extra=()):
    nodes = [
        helper.make_node("Identity", ["c"], ["c2"]),
        helper.make_node("Add", ["x", "x"], ["x2"]),
        helper.make_node("Add", ["x", "w"], ["s"]),
        *extra,
    ]
    return graph(
        nodes,
        [value("i", I, []), value("c", B, []), value("x", F, [2])],
        [value("c2", B, []), value("x2", F, [2]), value("s", F, [2])],
    )


def control(c):
    x, w = np.array([1, 2], np.float32), np.array([10, 20], np.float32)
    rows = [x * 2**k + w for k in range(5)]
    outs = [value("y", F, [2]), value("t", F, None)]
    for trips in (0, 1, 5):
        m = model(
            [helper.make_node("Loop", ["n", "", "x"], ["y", "t"], body=loop_body())],
            [value("n", I, []), value("x", F, [2]), value("w", F, [2])],
            outs,
        )
        stacked = np.stack(rows[:trips]) if trips else np.zeros((0, 2), np.float32)
        c.add(f"loop_{trips}", "", [np.int64(trips), x, w], model=m, want=[x * 2**trips, stacked])
    m = model(
        [helper.make_node("Loop", ["n", "go", "x"], ["y", "t"], body=loop_body())],
        [value("n", I, [1]), value("go", B, [1]), value("x", F, [2]), value("w", F, [2])],
        outs,
        11,
    )
    c.add(
        "loop_not_begun",
        "",
        [np.array([3]), np.array([False]), x, w],
        model=m,
        want=[x, np.zeros((0, 2), np.float32)],
    )
    # a condition that the body computes, a carried value whose shape grows, and no trip count
    grow = graph(
        [
            helper.make_node("Concat", ["x", "one"], ["x2"], axis=0),
            helper.make_node("Size", ["x2"], ["n"]),
            helper.make_node("Less", ["n", "six"], ["c2"]),
        ],
        [value("i", I, []), value("c", B, []), value("x", F, None)],
        [value("c2", B, []), value("x2", F, None)],
        [helper.make_tensor("one", F, [1], [1.0]), helper.make_tensor("six", I, [], [6])],
    )
    m = model(
        [helper.make_node("Loop", ["", "go", "x"], ["y"], body=grow)],
        [value("go", B, []), value("x", F, [2])],
        [value("y", F, None)],
    )
    c.add("loop_grows", "", [np.bool_(True), x], model=m, want=[np.array([1, 2, 1, 1, 1, 1], np.float32)])
    # a sequence carried, and a loop in a loop
    inner = graph(
        [
            helper.make_node("Identity", ["c"], ["c2"]),
            helper.make_node("Cast", ["j"], ["f"], to=F),
            helper.make_node("Add", ["a", "f"], ["b"]),
        ],
        [value("j", I, []), value("c", B, []), value("a", F, [])],
        [value("c2", B, []), value("b", F, [])],
    )
    outer = graph(
        [
            helper.make_node("Identity", ["go"], ["go2"]),
            helper.make_node("Loop", ["i", "", "zero"], ["sum"], body=inner),
            helper.make_node("SequenceInsert", ["s", "sum"], ["s2"]),
        ],
        [value("i", I, []), value("go", B, []), helper.make_tensor_sequence_value_info("s", F, None)],
        [value("go2", B, []), helper.make_tensor_sequence_value_info("s2", F, None)],
        [helper.make_tensor("zero", F, [], [0.0])],
    )
    m = model(
        [
            helper.make_node("SequenceEmpty", [], ["e"]),
            helper.make_node("Loop", ["n", "", "e"], ["q"], body=outer),
            helper.make_node("ConcatFromSequence", ["q"], ["y"], axis=0, new_axis=1),
        ],
        [value("n", I, [])],
        [value("y", F, None)],
    )
    c.add("loop_of_loops_sequence", "", [np.int64(5)], model=m, want=[np.array([0, 0, 1, 3, 6], np.float32)])
    # If with outputs of two shapes, captured values, and one inside another
    then = graph([helper.make_node("Mul", ["x", "x"], ["r"])], [], [value("r", F, None)], name="then")
    els = graph(
        [
            helper.make_node(
                "If",
                ["k"],
                ["r"],
                then_branch=graph(
                    [helper.make_node("Concat", ["x", "x"], ["q"], axis=0)], [], [value("q", F, None)], name="t2"
                ),
                else_branch=graph([helper.make_node("Neg", ["x"], ["q"])], [], [value("q", F, None)], name="e2"),
            )
        ],
        [],
        [value("r", F, None)],
        name="els",
    )
    m = model(
        [helper.make_node("If", ["c"], ["y"], then_branch=then, else_branch=els)],
        [value("c", B, []), value("k", B, []), value("x", F, [2])],
        [value("y", F, None)],
    )
    for a, b, want in ((1, 0, x * x), (0, 1, np.concatenate([x, x])), (0, 0, -x)):
        c.add(f"if_{a}{b}", "", [np.bool_(a), np.bool_(b), x], model=m, want=[want])


def scan(c):
    rng = np.random.default_rng(1)
    body = graph(
        [helper.make_node("Add", ["s", "a"], ["s2"]), helper.make_node("Mul", ["s2", "b"], ["o"])],
        [value("s", F, [3]), value("a", F, [3]), value("b", F, [3])],
        [value("s2", F, [3]), value("o", F, [3])],
    )
    s = rng.random(3).astype(np.float32)
    for name, ax_a, ax_b, da, db, ax_o, do in (
        ("plain", 0, 0, 0, 0, 0, 0),
        ("axes", 1, -1, 0, 0, 1, 0),
        ("back", 0, 0, 1, 0, -1, 1),
        ("all", 1, 0, 1, 1, -2, 1),
    ):
        a, b = rng.random((4, 3)).astype(np.float32), rng.random((4, 3)).astype(np.float32)
        state, rows = s, []
        for t in range(4):
            state = state + a[3 - t if da else t]
            rows.append(state * b[3 - t if db else t])
        rows = rows[::-1] if do else rows
        fed = [s, a.T if ax_a else a, b.T if ax_b else b]
        for version in (9, 11, 16, 21, 25):
            if version == 9 and min(ax_a, ax_b, ax_o) < 0:
                continue
            m = model(
                [
                    helper.make_node(
                        "Scan",
                        ["s0", "A", "B"],
                        ["s1", "O"],
                        body=body,
                        num_scan_inputs=2,
                        scan_input_axes=[ax_a, ax_b],
                        scan_input_directions=[da, db],
                        scan_output_axes=[ax_o],
                        scan_output_directions=[do],
                    )
                ],
                [value("s0", F, [3]), value("A", F, None), value("B", F, None)],
                [value("s1", F, [3]), value("O", F, None)],
                version,
            )
            c.add(
                f"scan_{name}_v{version}",
                "",
                [np.ascontiguousarray(v) for v in fed],
                model=m,
                want=[state, np.ascontiguousarray(np.stack(rows, ax_o))],
                rtol=1e-5,
                keep=version in (9, 25),
            )
    a = np.zeros((0, 3), np.float32)
    m = model(
        [helper.make_node("Scan", ["s0", "A", "B"], ["s1", "O"], body=body, num_scan_inputs=2)],
        [value("s0", F, [3]), value("A", F, None), value("B", F, None)],
        [value("s1", F, [3]), value("O", F, None)],
        16,
    )
    c.add("scan_nothing", "", [s, a, a], model=m, want=[s, a])
    # version 8: a batch in front, lengths for each
    a, b, s = (rng.random((2, 4, 3)).astype(np.float32) for _ in range(2)).__iter__().__next__(), None, None
    b, s = rng.random((2, 4, 3)).astype(np.float32), rng.random((2, 3)).astype(np.float32)
    for lens in (None, np.array([4, 2])):
        want_s, want_o = s.copy(), np.zeros((2, 4, 3), np.float32)
        for n in range(2):
            for t in range(4 if lens is None else lens[n]):
                want_s[n] += a[n, t]
                want_o[n, t] = want_s[n] * b[n, t]
        m = model(
            [
                helper.make_node(
                    "Scan", ["" if lens is None else "L", "s0", "A", "B"], ["s1", "O"], body=body, num_scan_inputs=2
                )
            ],
            ([] if lens is None else [value("L", I, [2])])
            + [value("s0", F, [2, 3]), value("A", F, None), value("B", F, None)],
            [value("s1", F, None), value("O", F, None)],
            8,
        )
        m.ir_version = 4
        c.add(
            f"scan_v8_{'lens' if lens is not None else 'whole'}",
            "",
            ([] if lens is None else [lens]) + [s, a, b],
            model=m,
            want=[want_s, want_o],
            rtol=1e-5,
        )


# ---- sequences


def sequences(c):
    x = np.arange(12, dtype=np.float32).reshape(3, 4)
    parts = [x[:1], x[1:2], x[2:]]
    for version in (11, 24):
        c.add(f"split_to_sequence_v{version}", "SplitToSequence", [x], {"axis": 0}, version, want=[parts])
        c.add(
            f"split_drop_v{version}",
            "SplitToSequence",
            [x],
            {"axis": -1, "keepdims": 0},
            version,
            want=[[x[:, i] for i in range(4)]],
        )
        c.add(
            f"split_scalar_v{version}",
            "SplitToSequence",
            [x, np.int64(3)],
            {"axis": 1},
            version,
            want=[[x[:, :3], x[:, 3:]]],
            keep=version == 24,
        )
        c.add(
            f"split_vector_v{version}",
            "SplitToSequence",
            [x, np.array([1, 0, 3], np.int32)],
            {"axis": 1, "keepdims": 0},
            version,
            want=[[x[:, :1], x[:, 1:1], x[:, 1:]]],
            keep=version == 24,
        )
    seq = [np.array([1, 2], np.int64), np.array([3], np.int64), np.array([], np.int64)]
    for at, want in ((-3, seq[:1]), (0, seq[:1]), (2, seq[2:]), (-1, seq[2:])):
        c.add(f"sequence_at_{at}", "SequenceAt", [seq, np.int64(at)], {}, 11, want=want)
    item = np.array([9], np.int64)
    for at in (-3, -1, 0, 3):
        want = list(seq)
        want.insert(at, item)
        c.add(f"sequence_insert_{at}", "SequenceInsert", [seq, item, np.int64(at)], {}, 11, want=[want])
        want = list(seq)
        if at < 3:
            del want[at]
            c.add(f"sequence_erase_{at}", "SequenceErase", [seq, np.int64(at)], {}, 11, want=[want])
    c.add("sequence_erase", "SequenceErase", [seq], {}, 11, want=[seq[:2]])
    c.add("sequence_length", "SequenceLength", [seq], {}, 11, want=[np.int64(3)])
    c.add("sequence_construct", "SequenceConstruct", [x, x[:1]], {}, 11, want=[[x, x[:1]]])
    same = [x, x + 1]
    for axis in (0, 1, -1):
        c.add(
            f"concat_sequence_{axis}",
            "ConcatFromSequence",
            [same],
            {"axis": axis},
            11,
            want=[np.concatenate(same, axis)],
        )
    for axis in (0, 1, 2, -1, -3):
        c.add(
            f"stack_sequence_{axis}",
            "ConcatFromSequence",
            [same],
            {"axis": axis, "new_axis": 1},
            11,
            want=[np.stack(same, axis)],
        )


# ---- strings


def strings(c):
    numbers = {
        "f32": (
            np.array(
                [
                    0,
                    -0.0,
                    1,
                    -2.5,
                    0.1,
                    0.0011,
                    9.9e-5,
                    1e-5,
                    1e16,
                    123456.789,
                    3.4e38,
                    np.inf,
                    -np.inf,
                    np.nan,
                    0.47892547,
                    1 / 3,
                    1e-45,
                ],
                np.float32,
            )
        ),
        "f64": np.array([0.1, 1 / 3, 1e300, 5e-324, 123456789.125, 1e22, -1e-7, 2**53, 0.0001], np.float64),
        "f16": np.array([0.1, 999, 6e-8, -1.5, 1 / 3], np.float16),
        "i64": np.array([0, -1, 2**63 - 1, -(2**63)], np.int64),
        "u64": np.array([2**64 - 1], np.uint64),
        "i8": np.array([-128, 127], np.int8),
        "bool": np.array([True, False]),
    }
    for name, v in numbers.items():
        c.add(
            f"cast_{name}_string",
            "Cast",
            [v],
            {"to": S},
            13 if name != "f16" else 19,
            want=[text([str(x) for x in v])],
        )
    words = text(["0.47892547", " 12 ", "-1e-5", "+3.", ".5", "INF", "-inf", "NaN", "1E8", "007", "+INF"])
    floats = np.array([0.47892547, 12, -1e-5, 3, 0.5, np.inf, -np.inf, np.nan, 1e8, 7, np.inf])
    for to, t in ((F, np.float32), (D, np.float64), (TensorProto.FLOAT16, np.float16)):
        with np.errstate(over="ignore"):
            want = floats.astype(t)
        c.add(f"cast_string_{t.__name__}", "Cast", [words], {"to": to}, 19, want=[want])
    whole = text(["0", "-7", "9223372036854775807", "100.5", " 8"])
    c.add("cast_string_int64", "Cast", [whole], {"to": I}, 9, want=[np.array([0, -7, 2**63 - 1, 100, 8])])
    c.add("cast_string_int8", "Cast", [whole[:2]], {"to": TensorProto.INT8}, 13, want=[np.array([0, -7], np.int8)])
    c.add(
        "cast_like_string",
        "CastLike",
        [np.array([1.5, 2], np.float32), text(["x"])],
        {},
        19,
        want=[text(["1.5", "2.0"])],
    )
    a, b = text([["x", "é"], ["", "yy"]]), text(["1", "é"])
    c.add("string_concat", "StringConcat", [a, b], {}, 20, want=[text([["x1", "éé"], ["1", "yyé"]])])
    c.add("equal_string", "Equal", [a, b], {}, 19, want=[np.array([[False, True], [False, False]])])
    for name, version, op, ins, attrs, want in (
        ("gather", 13, "Gather", [a, np.array([1, -2])], {"axis": 1}, [text([["é", "x"], ["yy", ""]])]),
        ("concat", 13, "Concat", [a, a[:1]], {"axis": 0}, [text([["x", "é"], ["", "yy"], ["x", "é"]])]),
        ("transpose", 13, "Transpose", [a], {}, [text([["x", ""], ["é", "yy"]])]),
        ("where", 16, "Where", [np.array([True, False]), a, b], {}, [text([["x", "é"], ["", "é"]])]),
        ("reshape", 14, "Reshape", [a, np.array([-1])], {}, [text(["x", "é", "", "yy"])]),
        ("expand", 13, "Expand", [b, np.array([2, 2])], {}, [text([["1", "é"], ["1", "é"]])]),
        ("tile", 13, "Tile", [b, np.array([2])], {}, [text(["1", "é", "1", "é"])]),
        ("slice", 13, "Slice", [a, np.array([1]), np.array([2])], {}, [text([["", "yy"]])]),
        ("squeeze", 13, "Squeeze", [text([["q"]]), np.array([0])], {}, [text(["q"])]),
        ("identity", 16, "Identity", [a], {}, [a]),
        ("shape", 15, "Shape", [a], {}, [np.array([2, 2])]),
    ):
        c.add(f"{name}_string", op, ins, attrs, version, want=want)
    sentence = text([["a b  c", ""], [" x ", "a,b"]])
    for delimiter in (None, "", ",", " ", "b"):
        for most in (None, 0, 1, 5):
            attrs = {k: v for k, v in (("delimiter", delimiter), ("maxsplit", most)) if v is not None}
            parts = [s.split(delimiter or None, -1 if most is None else most) for s in sentence.ravel()]
            wide = max(map(len, parts))
            want = text([p + [""] * (wide - len(p)) for p in parts]).reshape(2, 2, wide)
            c.add(
                f"split_{'blank' if not delimiter else ord(delimiter)}_{delimiter is None}_{most}",
                "StringSplit",
                [sentence],
                attrs,
                20,
                outputs=2,
                want=[want, np.array([len(p) for p in parts]).reshape(2, 2)],
            )
    week = text(["Monday", "tuesday", "WEDNESDAY", "thursday", "ÉCOLE"])
    for action in ("NONE", "LOWER", "UPPER"):
        change = {"NONE": str, "LOWER": str.lower, "UPPER": str.upper}[action]
        for exact in (0, 1):
            keep = [
                change(w)
                for w in week
                if (w not in ("monday", "thursday") if exact else w.lower() not in ("monday", "thursday"))
            ]
            c.add(
                f"normalize_{action}_{exact}",
                "StringNormalizer",
                [week.reshape(1, -1)],
                {"case_change_action": action, "is_case_sensitive": exact, "stopwords": ["monday", "thursday"]},
                10,
                want=[text([keep])],
            )
    c.add("normalize_nothing_left", "StringNormalizer", [text(["a"])], {"stopwords": ["a"]}, 10, want=[text([""])])
    import re

    texts = ["", "a", "ab", "aab", "b\n", "a\nb", "foo@gmail.com", "x1_é", "é", "2024-11-05", "  ", "ABC", "a.b", "]"]
    for k, p in enumerate(
        [
            "",
            "a*b",
            "(a|ab)(b|)",
            "[a-c]+",
            "[^a]",
            ".",
            "(?s).+",
            r"\w+@\w+\.com",
            r"\d{4}-\d{2}-\d{2}",
            r"\s*",
            "(?i)abc",
            r"^a$",
            r"a\.b",
            r"[]]",
            r"(?:a|b){1,3}",
            r"\bfoo@.*",
            "a??b",
            r"[[:alpha:]]+",
            r"\pL+",
            r"(?m)^a$\n^b$",
            r"x1_é",
            r"[\w.]*",
            r"\Qa.b\E",
            r"(?P<n>a)+b",
            r"\x61b",
            r"[^\W]",
        ]
    ):
        py = p.replace("[[:alpha:]]", "[a-zA-Z]").replace(r"\pL", "[a-zA-Zé]").replace(r"\Qa.b\E", r"a\.b")
        want = [re.fullmatch(py, t, re.ASCII) is not None for t in texts]
        c.add(f"regex_{k}", "RegexFullMatch", [text(texts)], {"pattern": p}, 20, want=[np.array(want)])
    for mode in ("TF", "IDF", "TFIDF"):
        for skip in (0, 2):
            for low, high in ((1, 1), (1, 2), (2, 2), (1, 3)):
                x = np.array([[1, 1, 3, 3, 3, 7], [8, 6, 7, 5, 6, 8]], np.int32)
                attrs = dict(
                    mode=mode,
                    max_skip_count=skip,
                    min_gram_length=low,
                    max_gram_length=high,
                    ngram_counts=[0, 4, 10],
                    ngram_indexes=[2, 0, 1, 3, 4, 6, 5, 7],
                    pool_int64s=[2, 3, 5, 4, 5, 6, 7, 8, 6, 7, 3, 3, 7],
                    weights=[1.0, 2, 3, 4, 5, 6, 7, 8],
                )
                c.add(f"tfidf_{mode}_{skip}_{low}{high}", "TfIdfVectorizer", [x], attrs, 9, oracle="ort")
    c.add(
        "tfidf_strings",
        "TfIdfVectorizer",
        [text(["one", "two", "three", "two"])],
        dict(
            mode="TF",
            max_skip_count=0,
            min_gram_length=1,
            max_gram_length=2,
            ngram_counts=[0, 2],
            ngram_indexes=[0, 1, 2],
            pool_strings=["two", "one", "two", "three"],
        ),
        9,
        oracle="ort",
    )


# ---- ai.onnx.ml


def simple(c):
    rng = np.random.default_rng(2)
    x = rng.uniform(-2, 2, (4, 3)).astype(np.float32)

    def add(name, op, ins, attrs, oracle="ort", version=1, **more):
        m = c.model(op, ins, attrs, 1, more.pop("outputs", 1), ML, ())
        m.opset_import[1].version = version
        c.add(name, op, ins, model=m, oracle=oracle, **more)

    for t in (np.float32, np.float64, np.int32, np.int64):
        v = np.round(x * 3).astype(t)
        n = t.__name__
        if t in (np.float32, np.float64):
            add(f"binarizer_{n}", "Binarizer", [v], {"threshold": 0.5}, want=[(v > 0.5).astype(t)])
        add(f"scaler_{n}", "Scaler", [v], {"offset": [1.0, 2, 3], "scale": [2.0, 0.5, 1]})
        add(f"scaler_one_{n}", "Scaler", [v], {"offset": [1.0], "scale": [2.0]}, keep=t == np.float32)
        for norm in ("L1", "L2"):
            add(f"normalizer_{norm}_{n}", "Normalizer", [v], {"norm": norm}, keep=t == np.float32)
        add(f"normalizer_MAX_{n}", "Normalizer", [np.abs(v)], {"norm": "MAX"}, keep=t == np.float32)
        add(f"features_{n}", "ArrayFeatureExtractor", [v, np.array([2, 0, 2])], {})
        add(f"one_hot_{n}", "OneHotEncoder", [v[0]], {"cats_int64s": [-3, -1, 0, 1, 2, 5]}, keep=t == np.int64)
    add("features_vector", "ArrayFeatureExtractor", [x[0], np.array([1])], {})
    add("features_strings", "ArrayFeatureExtractor", [text([["a", "b"]]), np.array([1])], {}, want=[text([["b"]])])
    add("one_hot_strings", "OneHotEncoder", [text(["b", "z", "a"])], {"cats_strings": ["a", "b", "c"]})
    nan = np.array([[1, np.nan, 3], [np.nan, 0, 1]], np.float32)
    add("imputer_nan", "Imputer", [nan], {"imputed_value_floats": [7.0, 8, 9], "replaced_value_float": float("nan")})
    add("imputer_zero", "Imputer", [nan], {"imputed_value_floats": [7.0], "replaced_value_float": 0.0})
    add("imputer_int", "Imputer", [np.array([[1, 0, 2]])], {"imputed_value_int64s": [5], "replaced_value_int64": 0})
    add("vectorizer", "FeatureVectorizer", [x, x[:, :1]], {"inputdimensions": [3, 1]})
    add(
        "linear_regressor",
        "LinearRegressor",
        [x],
        {"coefficients": [0.5, -1, 2, 1, 1, 1.5], "intercepts": [0.1, -0.3], "targets": 2},
    )
    for post in ("NONE", "SOFTMAX", "LOGISTIC", "SOFTMAX_ZERO"):
        for labels in ({"classlabels_ints": [4, 7, 9]}, {"classlabels_strings": ["a", "b", "c"]}):
            add(
                f"linear_classifier_{post}_{'i' if 'classlabels_ints' in labels else 's'}",
                "LinearClassifier",
                [x],
                {
                    "coefficients": [float(v) for v in rng.normal(size=9)],
                    "intercepts": [0.1, 0.2, -0.3],
                    "post_transform": post,
                    **labels,
                },
                outputs=2,
            )
        add(
            f"linear_classifier_two_{post}",
            "LinearClassifier",
            [x],
            {
                "coefficients": [0.5, -1.0, 2, -0.5, 1.0, -2],
                "intercepts": [0.1, -0.1],
                "post_transform": post,
                "multi_class": 1,
                "classlabels_ints": [0, 1],
            },
            outputs=2,
        )
    add(
        "encoder_v1_strings",
        "LabelEncoder",
        [text(["b", "z", "a"])],
        {"classes_strings": ["a", "b"], "default_int64": 9},
        want=[np.array([1, 9, 0])],
    )
    add(
        "encoder_v1_ints",
        "LabelEncoder",
        [np.array([1, 5, 0])],
        {"classes_strings": ["a", "b"], "default_string": "?"},
        want=[text(["b", "?", "a"])],
    )
    keys = {
        "keys_strings": (["a", "b", "c"], text(["b", "q", "a"])),
        "keys_int64s": ([3, 1, 2], np.array([1, 9, 3])),
        "keys_floats": ([3.5, float("nan"), 0.0], np.array([np.nan, 1, 3.5], np.float32)),
    }
    values = {
        "values_strings": (["x", "y", "z"], "_Unused"),
        "values_int64s": ([7, 8, 9], -1),
        "values_floats": ([0.5, 1.5, 2.5], -0.0),
    }
    for k, (ks, x_) in keys.items():
        for v, (vs, default) in values.items():
            want = [vs[1], default, vs[0]]
            want = (
                text(want)
                if v == "values_strings"
                else np.array(want, np.int64 if v == "values_int64s" else np.float32)
            )
            for version in (2, 4):
                add(
                    f"encoder_{k[5:]}_{v[7:]}_v{version}",
                    "LabelEncoder",
                    [x_],
                    {k: ks, v: vs},
                    version=version,
                    want=[want],
                    keep=version == 4,
                )
    for to in (np.float64, np.int16, np.int32):
        attrs = {
            "keys_tensor": onnx.numpy_helper.from_array(np.array([1, 2], np.int64)),
            "values_tensor": onnx.numpy_helper.from_array(np.array([5, 6], to)),
            "default_tensor": onnx.numpy_helper.from_array(np.array([-9], to)),
        }
        add(
            f"encoder_tensor_{to.__name__}",
            "LabelEncoder",
            [np.array([2, 1, 3])],
            attrs,
            version=4,
            want=[np.array([6, 5, -9], to)],
        )
    add(
        "category_strings",
        "CategoryMapper",
        [text(["b", "z"])],
        {"cats_int64s": [5, 6], "cats_strings": ["a", "b"], "default_int64": 3},
        want=[np.array([6, 3])],
    )
    add(
        "category_ints",
        "CategoryMapper",
        [np.array([5, 9])],
        {"cats_int64s": [5, 6], "cats_strings": ["a", "b"], "default_string": "no"},
        want=[text(["a", "no"])],
    )


def tree_tables(rng, trees, depth, features, outputs, modes, missing=False):
    """Random trees as the tables of the older operators."""
    t = {
        k: []
        for k in ("treeids", "nodeids", "featureids", "values", "modes", "truenodeids", "falsenodeids", "missing")
    }
    votes = {k: [] for k in ("treeids", "nodeids", "ids", "weights")}
    for tree in range(trees):
        todo, count = [(0, 0)], 1
        while todo:
            node, level = todo.pop(0)
            leaf = level == depth or (level > 0 and rng.random() < 0.2)
            t["treeids"].append(tree)
            t["nodeids"].append(node)
            t["featureids"].append(0 if leaf else int(rng.integers(features)))
            t["values"].append(0.0 if leaf else float(np.round(rng.uniform(-2, 2) * 2) / 2))
            t["modes"].append("LEAF" if leaf else str(rng.choice(modes)))
            t["missing"].append(int(rng.integers(2)) if missing else 0)
            t["truenodeids"].append(0 if leaf else count)
            t["falsenodeids"].append(0 if leaf else count + 1)
            if leaf:
                for i in outputs(rng):
                    votes["treeids"].append(tree)
                    votes["nodeids"].append(node)
                    votes["ids"].append(i)
                    votes["weights"].append(
                        float(np.float32(rng.normal() if not hasattr(outputs, "positive") else rng.random() / trees))
                    )
            else:
                todo += [(count, level + 1), (count + 1, level + 1)]
                count += 2
    nodes = {f"nodes_{k}": v for k, v in t.items() if k != "missing"}
    if missing:
        nodes["nodes_missing_value_tracks_true"] = t["missing"]
    return nodes, votes


def trees(c):
    rng = np.random.default_rng(3)
    x = (np.round(rng.uniform(-3, 3, (21, 4)) * 2) / 2).astype(np.float32)
    holes = x.copy()
    holes[rng.random(x.shape) < 0.2] = np.nan
    modes = ["BRANCH_LEQ", "BRANCH_LT", "BRANCH_GTE", "BRANCH_GT", "BRANCH_EQ", "BRANCH_NEQ"]

    def add(name, op, v, attrs, outputs=1, version=3, keep=True, **more):
        m = c.model(op, [v], attrs, 1, outputs, ML, ())
        m.opset_import[1].version = version
        if name.startswith("classifier_two"):  # onnxruntime's label does not look at the first class
            scores = c.run(m, [v], "ort")[1]
            labels = np.array(attrs.get("classlabels_int64s") or attrs["classlabels_strings"])
            more["want"] = [text(labels[scores.argmax(1)]) if labels.dtype.kind == "U" else labels[scores.argmax(1)], scores]
        c.add(name, op, [v], model=m, oracle="ort", rtol=1e-4, atol=1e-5, keep=keep, **more)

    def one(r):
        return [0]

    def several(r):
        return sorted(set(r.integers(3, size=2).tolist()))

    for mode in [[m] for m in modes] + [modes]:
        for miss in (False, True):
            nodes, votes = tree_tables(rng, 3, 3, 4, several, mode, miss)
            target = {f"target_{k}": v for k, v in votes.items()}
            name = mode[0][7:] if len(mode) == 1 else "mixed"
            add(
                f"regressor_{name}_{miss}",
                "TreeEnsembleRegressor",
                holes if miss else x,
                {**nodes, **target, "n_targets": 3},
                keep=miss or len(mode) > 1,
            )
    nodes, votes = tree_tables(rng, 4, 3, 4, lambda r: [0, 1, 2], modes[:1])
    target = {f"target_{k}": v for k, v in votes.items()}
    for how in ("SUM", "AVERAGE", "MIN", "MAX"):
        for post in ("NONE", "SOFTMAX", "LOGISTIC", "SOFTMAX_ZERO"):
            add(
                f"regressor_{how}_{post}",
                "TreeEnsembleRegressor",
                x,
                {
                    **nodes,
                    **target,
                    "n_targets": 3,
                    "aggregate_function": how,
                    "post_transform": post,
                    "base_values": [0.5, -0.25, 1.0],
                },
                keep=how == "SUM" and post != "LOGISTIC" or how != "SUM" and post == "NONE",
            )
    add("regressor_f64", "TreeEnsembleRegressor", x.astype(np.float64), {**nodes, **target, "n_targets": 3})
    nodes, votes = tree_tables(rng, 17, 3, 4, one, modes[:1])
    add(
        "regressor_many",
        "TreeEnsembleRegressor",
        x,
        {**nodes, **{f"target_{k}": v for k, v in votes.items()}, "n_targets": 1},
        version=1,
    )

    def positive(r):
        return [int(r.integers(3))]

    positive.positive = True

    def all_two(r):
        return [0, 1]

    all_two.positive = True

    def only(r):
        return [0]

    only.positive = True
    kinds = {"three": (positive, 3), "two": (all_two, 2), "binary_positive": (only, 2), "binary_mixed": (one, 2)}
    for kind, (outs, count) in kinds.items():
        nodes, votes = tree_tables(rng, 5, 3, 4, outs, modes[:1])
        classes = {f"class_{k}": v for k, v in votes.items()}
        for post in ("NONE", "SOFTMAX", "LOGISTIC", "SOFTMAX_ZERO"):
            for labels in (
                {"classlabels_int64s": [5, 6, 8][:count]},
                {"classlabels_strings": ["a", "b", "c"][:count]},
            ):
                text_ = "classlabels_strings" in labels
                add(
                    f"classifier_{kind}_{post}_{'s' if text_ else 'i'}",
                    "TreeEnsembleClassifier",
                    x,
                    {**nodes, **classes, **labels, "post_transform": post},
                    2,
                    version=1,
                    keep=not text_ or post == "NONE",
                )
        if kind != "two":
            base = {"base_values": [0.3, 0.1, -0.2][:count] if count == 3 else [0.3]}
            add(
                f"classifier_{kind}_base",
                "TreeEnsembleClassifier",
                x,
                {**nodes, **classes, **base, "classlabels_int64s": [0, 1, 2][:count]},
                2,
            )


def machines(c):
    rng = np.random.default_rng(4)
    x = rng.normal(size=(6, 3)).astype(np.float32)

    def add(name, op, attrs, outputs=1, **more):
        c.add(
            name,
            op,
            [x],
            model=c.model(op, [x], attrs, 1, outputs, ML, ()),
            oracle="ort",
            rtol=1e-3,
            atol=1e-5,
            **more,
        )

    for kernel, params in (
        ("LINEAR", [0.0, 0, 0]),
        ("POLY", [0.5, 1.0, 2.0]),
        ("RBF", [0.4, 0, 0]),
        ("SIGMOID", [0.3, 0.1, 0]),
    ):
        v = [float(t) for t in rng.normal(size=15)]
        add(
            f"svr_{kernel}",
            "SVMRegressor",
            dict(
                coefficients=[float(t) for t in rng.normal(size=5)],
                support_vectors=v,
                n_supports=5,
                rho=[0.2],
                kernel_type=kernel,
                kernel_params=params,
            ),
        )
        add(
            f"svr_one_{kernel}",
            "SVMRegressor",
            dict(
                coefficients=[float(t) for t in rng.normal(size=5)],
                support_vectors=v,
                n_supports=5,
                rho=[0.2],
                kernel_type=kernel,
                kernel_params=params,
                one_class=1,
            ),
            keep=False,
        )
        for count in (2, 3):
            pairs = count * (count - 1) // 2
            attrs = dict(
                coefficients=[float(t) for t in rng.normal(size=5 * (count - 1))],
                support_vectors=v,
                vectors_per_class=[2, 3] if count == 2 else [2, 1, 2],
                rho=[float(t) for t in rng.normal(size=pairs)],
                kernel_type=kernel,
                kernel_params=params,
            )
            for post in ("NONE", "LOGISTIC", "SOFTMAX"):
                add(
                    f"svc_{kernel}_{count}_{post}",
                    "SVMClassifier",
                    {**attrs, "classlabels_ints": [4, 6, 9][:count], "post_transform": post},
                    2,
                    keep=post == "NONE",
                )
            add(
                f"svc_{kernel}_{count}_p",
                "SVMClassifier",
                {
                    **attrs,
                    "classlabels_strings": ["a", "b", "c"][:count],
                    "prob_a": [-1.0] * pairs,
                    "prob_b": [0.1] * pairs,
                },
                2,
            )
    add(
        "svc_linear",
        "SVMClassifier",
        dict(
            coefficients=[float(t) for t in rng.normal(size=9)],
            rho=[0.1],
            classlabels_ints=[0, 1, 2],
            kernel_type="LINEAR",
        ),
        2,
    )


def cases(c):
    control(c)
    scan(c)
    sequences(c)
    strings(c)
    simple(c)
    trees(c)
    machines(c)
