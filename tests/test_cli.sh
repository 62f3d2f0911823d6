#!/bin/sh
# The program from outside: exit codes, what is on stdout, the commands' results, and the example.
#
# usage: tests/test_cli.sh GLIA        prints "ok NAME", "FAIL NAME" or "skip NAME: why" a case
set -u
glia=$1
case $glia in /*) ;; *) glia=$PWD/$glia ;; esac
cd "$(dirname "$0")/.." || exit 2
root=$PWD
demo=$root/models/demo-stories.gguf
data=${GLIA_TEST_DATA:-}
tmp=$(mktemp -d) || exit 2
trap 'rm -rf "$tmp"' EXIT
failures=0
commands="run chat inspect plan logits tokenize embed perplexity bench synth quantize imatrix convert"
commands="$commands verify conform explain"

say() { # NAME: the case is over; `bad` holds what went wrong
    if [ -z "$bad" ]; then
        echo "ok $1"
    else
        printf '%s\n' "$bad" >&2
        echo "FAIL $1"
        failures=$((failures + 1))
    fi
    bad=
}
bad=
fault() {
    bad="$bad$*
"
}

# STATUS WHERE ARGUMENTS...: runs glia; WHERE is `out` (stdout must hold something), `none` (stdout must be empty and
# stderr not) or `any`.
expect() {
    status=$1 where=$2
    shift 2
    "$glia" "$@" >"$tmp/out" 2>"$tmp/err" </dev/null
    got=$?
    [ "$got" -eq "$status" ] || fault "glia $*: exit code $got, want $status: $(head -c 300 "$tmp/err")"
    if [ "$where" = out ] && [ ! -s "$tmp/out" ]; then fault "glia $*: nothing on stdout"; fi
    if [ "$where" = none ] && [ -s "$tmp/out" ]; then fault "glia $*: stdout has $(head -c 100 "$tmp/out")"; fi
    if [ "$where" = none ] && [ ! -s "$tmp/err" ]; then fault "glia $*: nothing on stderr"; fi
}
# TEXT: stdout of the last expect has it
has() { grep -qF -e "$1" "$tmp/out" || fault "stdout lacks: $1"; }
says() { grep -qF -e "$1" "$tmp/err" || fault "stderr lacks: $1; it has: $(head -c 300 "$tmp/err")"; }
# stdout of the last expect is JSON
is_json() {
    [ -n "$python" ] || return 0
    "$python" -c 'import json, sys; json.load(open(sys.argv[1]))' "$tmp/out" ||
        fault "no JSON: $(head -c 200 "$tmp/out")"
}
python=$(command -v python3 || true)

test_help() {
    expect 0 out --help
    for command in $commands; do has "  $command "; done
    for command in $commands; do
        "$glia" "$command" --help >"$tmp/help" 2>"$tmp/err" || fault "$command --help fails"
        grep -q "usage: glia $command" "$tmp/help" || fault "$command --help has no usage"
        [ -s "$tmp/err" ] && fault "$command --help writes to stderr"
        expect 0 out "$command" --version
        expect 0 out "$command" --help --json
    done
    expect 0 out --version --json
    is_json
}

test_usage() {
    expect 2 none
    expect 2 none nonsense
    expect 2 none --nonsense
    for command in $commands; do
        expect 2 none "$command" --no-such-option
        says "--no-such-option"
        says "--help"
        [ "$(wc -l <"$tmp/err")" -eq 1 ] || fault "$command: more than one line of complaint"
        expect 2 none "$command" one two three
    done
    for command in run chat inspect plan logits tokenize embed perplexity bench synth; do
        expect 2 none "$command"
    done
    expect 2 none run "$demo"
    expect 2 none run "$demo" -p
    expect 2 none run "$demo" -p a -f b
    expect 2 none run "$demo" -p a --loop
    expect 2 none run "$demo" -p a --verbose=1
    for value in '' x 1x 0 -1 1.5 99999999999999999999 ' 1' +1; do expect 2 none run "$demo" -p a -n "$value"; done
    says "--tokens"
    for value in '' x 1x nan inf -1 1e400 0x1 ' 1'; do expect 2 none run "$demo" -p a --temp "$value"; done
    for value in -0.1 1.5; do expect 2 none run "$demo" -p a --top-p $value; done
    for value in 0 1025; do expect 2 none plan "$demo" -t $value; done
    for value in '' 5 5= =1 x=1 -1=1 5=nan 5=inf; do expect 2 none run "$demo" -p a --logit-bias "$value"; done
    for value in '' M 1Q -5 9999999999999G; do expect 2 none run "$demo" -p a --memory-limit "$value"; done
    expect 2 none run "$demo" -p a --isa sse9
    expect 2 none run "$demo" -p a --kv f64
    for value in '' 1, ,1 1,,2 a -1 5000000000; do expect 2 none logits "$demo" -o "$tmp/x.npy" --ids "$value"; done
    expect 2 none logits "$demo" --ids 1
    expect 2 none bench "$demo" -p 0 -n 0
    expect 2 none bench "$demo" -t 1,0
    expect 2 none synth --shape nonsense "$tmp/x.gguf"
    expect 2 none synth --shape tiny --type nonsense "$tmp/x.gguf"
    expect 2 none explain nonsense
    expect 2 none --completion csh
}

test_refusals() {
    for command in inspect plan tokenize; do expect 3 none "$command" "$tmp/absent.gguf"; done
    expect 3 none run "$tmp/absent.gguf" -p a
    says absent.gguf
    expect 3 none run "$demo" -f "$tmp/absent.txt"
    expect 3 none logits "$tmp/absent.gguf" --ids 1 -o "$tmp/x.npy"
    expect 3 none bench "$tmp/absent.gguf"
    echo "this is no model" >"$tmp/text.gguf"
    expect 3 none inspect "$tmp/text.gguf"
    says G0301
    expect 3 none run "$tmp/text.gguf" -p a
    head -c 20000 "$demo" >"$tmp/cut.gguf"
    expect 3 none run "$tmp/cut.gguf" -p a
    LC_ALL=C sed 's/llama/gnome/g' "$tmp/tiny.gguf" >"$tmp/gnome.gguf"
    expect 3 none run "$tmp/gnome.gguf" -p a
    says gnome
    expect 3 none plan "$tmp/gnome.gguf"
    expect 0 out inspect "$tmp/gnome.gguf"
    expect 3 none run "$demo" -p "Once upon a time there was a girl" -c 4
    says "context is 4"
    expect 3 none logits "$demo" --ids 1,2,3,4,5 -c 4 -o "$tmp/x.npy"
    expect 3 none logits "$demo" --ids 1,99999 -o "$tmp/x.npy"
    [ -e "$tmp/x.npy" ] && fault "a refused command wrote a file"
    expect 3 none run "$demo" -p a --logit-bias 99999=1
    expect 3 none run "$demo" -p a --memory-limit 1K
    printf '12 x' | "$glia" tokenize "$demo" --decode >"$tmp/out" 2>"$tmp/err"
    [ $? -eq 3 ] || fault "tokenize --decode takes letters"
    printf '99999' | "$glia" tokenize "$demo" --decode >"$tmp/out" 2>"$tmp/err"
    [ $? -eq 3 ] || fault "tokenize --decode takes an id that is not there"
}

test_pack_cache() {
    mkdir "$tmp/packs"
    expect 0 out run "$demo" -p "Once upon" -n 20
    cp "$tmp/out" "$tmp/plain"
    for round in made used; do
        expect 0 out run "$demo" -p "Once upon" -n 20 --pack-cache "$tmp/packs"
        cmp -s "$tmp/out" "$tmp/plain" || fault "another text with a packed file ($round)"
        [ -s "$tmp/err" ] && fault "a packed file that was $round says: $(head -c 200 "$tmp/err")"
    done
    expect 0 out plan "$demo" --pack-cache "$tmp/packs"
    has mapped
    expect 0 out run "$demo" -p "Once upon" -n 20 --pack-cache "$tmp/packs" --pack-copy --pack-verify
    cmp -s "$tmp/out" "$tmp/plain" || fault "another text with a packed file that is copied"
    for file in "$tmp"/packs/*; do echo damage >>"$file"; done
    expect 0 out run "$demo" -p "Once upon" -n 20 --pack-cache "$tmp/packs"
    says "made a new packed file"
    says G0560
    expect 0 out run "$demo" -p "Once upon" -n 20 --pack-cache "$tmp/nowhere"
    says G0565
    cmp -s "$tmp/out" "$tmp/plain" || fault "another text without a folder"
    expect 0 out run "$demo" -p "Once upon" -n 20 --pack-cache off
    [ -e off ] && fault "off was taken for a folder"
}

# A small network that NumPy has computed (tests/oracles/make_onnx_vectors.py).
test_networks() {
    vectors=$root/tests/vectors/onnx
    net=$vectors/mlp/model.onnx
    expect 0 out run "$net" -i x="$vectors/mlp/x.npy" -o "$tmp/outputs"
    has "y: f32[2, 4]"
    [ -s "$tmp/outputs/y.npy" ] || fault "run wrote no y.npy"
    expect 0 out run "$net" -i "$vectors/mlp/x.npy" --json
    is_json
    expect 0 out run "$net" --random 3 --dim rows=5
    has "y: f32[5, 4]"
    expect 2 none run "$net"
    says '(f32[rows, 3]) is missing'
    expect 2 none run "$net" -i z="$vectors/mlp/x.npy"
    says "it has: x"
    expect 3 none run "$net" -i x="$vectors/mlp/absent.npy"
    expect 3 none run "$net" -i x="$tmp/outputs/y.npy"
    says G1023
    expect 2 none run "$net" -p a
    expect 2 none run "$demo" -p a -i x="$vectors/mlp/x.npy"
    expect 0 out verify "$net"
    has "y: equal, 8 elements"
    expect 0 out verify "$net" --data "$vectors/mlp/test_data_set_0" --json
    is_json
    cp -r "$vectors/mlp" "$tmp/wrong"
    output=test_data_set_0/output_0.pb
    { head -c -4 "$vectors/mlp/$output" && printf '\1\2\3\104'; } >"$tmp/wrong/$output"
    expect 1 out verify "$net" --data "$tmp/wrong/test_data_set_0"
    has "y: differs"
    says G0933
    expect 1 out conform "$tmp/wrong"
    has "0 passed, 1 failed, 0 unsupported"
    expect 0 out conform "$vectors/mlp"
    has "1 passed, 0 failed, 0 unsupported"
    expect 0 out conform "$vectors/mlp" --json --list
    is_json
    expect 3 none conform "$tmp/outputs"
    says G0934
    expect 0 out inspect "$net"
    has "x: float[rows, 3]"
    expect 0 out inspect "$vectors/model.onnx" --json
    is_json
    expect 3 none run "$vectors/model.onnx" --random 1
    says G1030
    expect 0 out plan "$net" --html "$tmp/plan.html" --dim rows=2
    grep -q "<svg" "$tmp/plan.html" || fault "no page"
    expect 0 out plan "$net" --json
    is_json
    expect 0 out bench "$net" -t 1 -r 2 --seconds 0.01 --json
    is_json
    echo "no network" >"$tmp/no.onnx"
    for command in inspect plan verify bench "run --random 1"; do
        # shellcheck disable=SC2086
        expect 3 none $command "$tmp/no.onnx"
    done
    expect 3 none verify "$tmp/absent.onnx"
}

test_vocabulary_only() {
    vocab=$data/tokenizers/gguf-vocabs/ggml-vocab-llama-spm.gguf
    if [ -z "$data" ] || [ ! -f "$vocab" ]; then
        skipped="GLIA_TEST_DATA has no vocabularies"
        return
    fi
    expect 0 out inspect "$vocab"
    has "tensors: 0"
    expect 0 out tokenize "$vocab" -p "Hello world"
    [ "$(cat "$tmp/out")" = "1 15043 3186" ] || fault "Hello world is $(cat "$tmp/out")"
    expect 3 none run "$vocab" -p a
    expect 3 none plan "$vocab"
    # Byte-level BPE whose files say that no beginning token is added.
    expect 0 out tokenize "$data/tokenizers/gguf-vocabs/ggml-vocab-gpt-2.gguf" -p "Hello world"
    [ "$(cat "$tmp/out")" = "15496 995" ] || fault "Hello world is $(cat "$tmp/out")"
}

test_run() {
    expect 0 out run "$demo" -p "Once upon a time" -n 30 --temp 0
    grep -q '^Once upon a time, there was' "$tmp/out" || fault "the text is $(head -c 100 "$tmp/out")"
    cp "$tmp/out" "$tmp/first"
    for options in "-t 1" "-t 2" "-t 3 --slots 2" "-b 1" "-b 3 -t 2"; do
        # shellcheck disable=SC2086
        expect 0 out run "$demo" -p "Once upon a time" -n 30 --temp 0 $options
        cmp -s "$tmp/out" "$tmp/first" || fault "$options gives another text"
    done
    printf 'Once upon a time' >"$tmp/prompt"
    expect 0 out run "$demo" -f "$tmp/prompt" -n 30
    cmp -s "$tmp/out" "$tmp/first" || fault "-f gives another text"
    "$glia" run "$demo" -f - -n 30 <"$tmp/prompt" >"$tmp/out" 2>"$tmp/err"
    cmp -s "$tmp/out" "$tmp/first" || fault "-f - gives another text"
    expect 0 out run "$demo" -p "" -n 8 --seed 3 --temp 1
    grep -q '^ ' "$tmp/out" && fault "the first space is kept"
    cp "$tmp/out" "$tmp/first"
    expect 0 out run "$demo" -p "" -n 8 --seed 3 --temp 1 -t 2
    cmp -s "$tmp/out" "$tmp/first" || fault "a seed gives two texts"
    expect 0 out run "$demo" -p "Tom" -n 5 --json --top-k 5 --top-p 0.9 --min-p 0.1 --temp 0.7 --repeat-penalty 1.1 \
        --presence-penalty -0.5 --frequency-penalty 0.5 --repeat-last-n -1 --logit-bias 5=-inf --ignore-eos
    is_json
    has '"tokens":5'
    has '"prompt":"Tom"'
    expect 1 out run "$demo" -p "Tom" -n 500 -c 16 --ignore-eos
    says "16"
}

test_sampling() {
    schema='{"type":"object","properties":{"name":{"type":"string","minLength":1,"maxLength":8},
        "age":{"type":"integer","minimum":0,"maximum":150},
        "tags":{"type":"array","items":{"enum":["a","b"]},"maxItems":2}},
        "required":["name","age"],"additionalProperties":false}'
    for seed in 1 2 3 4 5; do
        "$glia" run "$demo" -p "Once" --temp 1 --seed $seed --json-schema "$schema" -n 200 >"$tmp/out" 2>"$tmp/err" ||
            fault "--json-schema fails: $(cat "$tmp/err")"
        sed -i '1s/^Once//' "$tmp/out"
        is_json
        has '"name"'
        has '"age"'
    done
    printf '%s' "$schema" >"$tmp/schema.json"
    "$glia" run "$demo" -p "Once" --temp 1 --seed 5 --json-schema-file "$tmp/schema.json" -n 200 \
        >"$tmp/two" 2>"$tmp/err"
    sed -i '1s/^Once//' "$tmp/two"
    cmp -s "$tmp/out" "$tmp/two" || fault "--json-schema-file gives another text"
    expect 0 out run "$demo" -p "Tom" --grammar 'root ::= " was " ("red" | "green") "."'
    grep -Eq '^Tom was (red|green)\.$' "$tmp/out" || fault "the grammar's text is $(cat "$tmp/out")"
    printf 'root ::= " and"{3}\n' >"$tmp/and.gbnf"
    expect 0 out run "$demo" -p "Tom" --grammar-file "$tmp/and.gbnf" --ignore-eos
    [ "$(cat "$tmp/out")" = "Tom and and and" ] || fault "the grammar's text is $(cat "$tmp/out")"
    expect 3 none run "$demo" -p "Tom" --grammar 'root ::= a'
    says "G0651"
    says "line 1, column 10"
    expect 3 none run "$demo" -p "Tom" --json-schema '{"not":{}}'
    says "G0661"
    says "not"
    expect 3 none run "$demo" -p "Tom" --grammar-file "$tmp/absent.gbnf"
    expect 2 none run "$demo" -p "Tom" --grammar 'root ::= "a"' --json-schema '{}'
    expect 0 out run "$demo" -p "Tom" -n 3 --json --logprobs 2
    is_json
    has '"logprobs":[{"id":'
    expect 2 none run "$demo" -p "Tom" -n 3 --logprobs 2
    expect 3 none run "$demo" -p "Tom" -n 3 --json --logprobs 99999
    expect 0 out run "$demo" -p "Tom" -n 20 --temp 0.9 --dry-multiplier 0.8 --dry-base 1.5 --dry-allowed-length 1 \
        --dry-penalty-last-n 30 --dry-sequence-breaker . --dry-sequence-breaker '\n' --typical 0.95 --top-nsigma 2 \
        --xtc-probability 0.5 --xtc-threshold 0.2 --dynatemp-range 0.3 --dynatemp-exp 1.2 --min-keep 2 \
        --samplers "top_k;penalties;dry;typ_p;xtc;temperature"
    for version in 1 2; do
        expect 0 out run "$demo" -p "Tom" -n 20 --temp 1 --mirostat $version --mirostat-ent 3 --mirostat-lr 0.2
    done
    expect 1 none run "$demo" -p "Tom" --samplers "top_k;nonsense"
    says "G0665"
    says "nonsense"
    expect 1 none run "$demo" -p "Tom" --dry-multiplier 1 --dry-base 0.5
    says "dry_base"
}

test_loop() {
    printf 'Tom\nLily was\n' | "$glia" run "$demo" --loop -n 4 >"$tmp/out" 2>"$tmp/err" || fault "--loop fails"
    [ "$(wc -l <"$tmp/out")" -eq 2 ] || fault "two prompts give $(wc -l <"$tmp/out") lines"
    "$glia" run "$demo" -p "Lily was" -n 4 >"$tmp/one" 2>/dev/null
    [ "$(sed -n 2p "$tmp/out")" = "$(cat "$tmp/one")" ] || fault "a second prompt depends on the first"
    printf 'Tom\nLily\nMax' | "$glia" run "$demo" --loop -n 2 --json >"$tmp/out" 2>"$tmp/err"
    [ "$(grep -c '^{.*}$' "$tmp/out")" -eq 3 ] || fault "three prompts give no three objects"
    printf 'Tom\nOnce upon a time there was a girl\nTom\n' |
        "$glia" run "$demo" --loop -n 2 -c 6 >"$tmp/out" 2>"$tmp/err"
    [ $? -eq 3 ] || fault "a refused line is not reported"
    [ "$(wc -l <"$tmp/out")" -eq 2 ] || fault "a refused line stops the loop"
}

# FILE PID: waits until FILE has something, interrupts PID, and checks how it ends; a program that does not is killed.
test_sessions() {
    story() {
        "$glia" run "$demo" "$@" 2>"$tmp/err" </dev/null
    }
    story -p "Once upon a time" -n 60 >"$tmp/whole"
    story -p "Once upon a time" -n 60 --draft "$demo" --draft-max 4 -v >"$tmp/out" ||
        fault "no draft: $(cat "$tmp/err")"
    cmp -s "$tmp/out" "$tmp/whole" || fault "a draft changes the text"
    says "right"
    story -p "Once upon a time" -n 60 --draft-ngram 1 -b 20 >"$tmp/out"
    cmp -s "$tmp/out" "$tmp/whole" || fault "n-grams change the text"
    story -p "Once upon a time" -n 25 --save-session "$tmp/saved" >"$tmp/begin"
    story -n 20 --load-session "$tmp/saved" --save-session "$tmp/saved" >>"$tmp/begin"
    story -n 15 --load-session "$tmp/saved" -c 300 -b 7 >>"$tmp/begin" || fault "not loaded: $(cat "$tmp/err")"
    cmp -s "$tmp/begin" "$tmp/whole" || fault "a saved session goes on otherwise: $(cat "$tmp/begin")"
    expect 0 out run "$demo" --load-session "$tmp/saved" -p "Then" -n 3 --json
    is_json
    expect 3 none run "$tmp/tiny.gguf" --load-session "$tmp/saved" -n 3
    says G0724
    expect 3 none run "$demo" --load-session "$tmp/saved" --kv f32 -n 3
    says G0725
    expect 3 none run "$demo" --load-session "$tmp/saved" -c 20 -n 3
    says G0718
    head -c 3000 "$tmp/saved" >"$tmp/cut"
    expect 3 none run "$demo" --load-session "$tmp/cut" -n 3
    says G0722
    expect 3 none run "$demo" --load-session "$tmp/absent" -n 3
    expect 3 none run "$demo" --draft "$tmp/absent" -p x -n 3
    expect 1 any run "$demo" --draft "$tmp/tiny.gguf" -p x -n 3
    says G0727
    expect 1 any run "$demo" -p x -n 3 --save-session "$tmp/absent/file"
    expect 2 none run "$demo" -p x --draft "$demo" --draft-ngram 2
    expect 2 none run "$demo" -p x --draft-max 2
    expect 2 none run "$demo" -p x --draft-ngram 2 -b 8
    expect 2 none run "$demo" --loop --save-session "$tmp/saved"
}

interrupt() {
    tries=0
    while [ ! -s "$1" ] && [ $tries -lt 200 ]; do
        sleep 0.1
        tries=$((tries + 1))
    done
    kill -INT "$2"
    (
        tries=0
        while kill -0 "$2" 2>/dev/null && [ $tries -lt 200 ]; do
            sleep 0.1
            tries=$((tries + 1))
        done
        kill -KILL "$2" 2>/dev/null
    ) &
    wait "$2"
    code=$?
    [ $code -eq 130 ] || fault "interrupted while $3: exit code $code"
}

test_interrupt() {
    mkfifo "$tmp/fifo"
    "$glia" run "$demo" --loop -n 1 <"$tmp/fifo" >"$tmp/waiting" 2>"$tmp/err" &
    pid=$!
    exec 3>"$tmp/fifo"
    echo Tom >&3
    interrupt "$tmp/waiting" $pid "waiting for a prompt"
    exec 3>&-
    yes "Once upon a time" | "$glia" run "$demo" --loop --ignore-eos >"$tmp/computing" 2>"$tmp/err" &
    interrupt "$tmp/computing" $! "computing" # $! is the last part of the pipe
}

test_full_disk() {
    if [ ! -c /dev/full ]; then
        skipped="no /dev/full here"
        return
    fi
    for command in "run -p Tom -n 3" inspect plan "tokenize -p Tom"; do
        # shellcheck disable=SC2086
        set -- $command
        verb=$1
        shift
        "$glia" "$verb" "$demo" "$@" >/dev/full 2>"$tmp/err"
        code=$?
        [ $code -eq 1 ] || fault "$command into a full disk: $code"
    done
}

# What was typed comes from a pipe; the result goes to $tmp/out.
chat() {
    input=$1
    shift
    printf "$input" | "$glia" chat "$demo" --chat-template chatml "$@" >"$tmp/out" 2>"$tmp/err"
    got=$?
}

test_chat() {
    expect 3 none chat "$demo"
    says G0680
    expect 3 none chat "$demo" --chat-template "$tmp/nothing"
    printf '{%% if %%}' >"$tmp/bad.jinja"
    expect 3 none chat "$demo" --chat-template "$tmp/bad.jinja"
    says G0670
    chat 'Hello\n' -n 10
    [ "$got" -eq 0 ] && [ -s "$tmp/out" ] || fault "chat: exit code $got, $(head -c 200 "$tmp/err")"
    cp "$tmp/out" "$tmp/once"
    chat '"""\nHel\n"""\n/undo\nHello\n' -n 10
    tail -n "$(wc -l <"$tmp/once")" "$tmp/out" | cmp -s - "$tmp/once" || fault "/undo leaves something behind"
    chat 'Hello\n/regen\n' -n 10
    cat "$tmp/once" "$tmp/once" | cmp -s - "$tmp/out" || fault "/regen of a greedy answer is another one"
    chat "Hi\\n/save $tmp/chat.json\\n/reset\\n/load $tmp/chat.json\\n/tokens\\nMore\\n" -n 5 --json --system Terse
    [ "$(wc -l <"$tmp/out")" -eq 2 ] || fault "chat --json: not a line an answer"
    if [ -n "$python" ]; then
        "$python" - "$tmp/out" "$tmp/chat.json" <<'END' || fault "chat --json or /save: not what it should be"
import json, sys
lines = [json.loads(l) for l in open(sys.argv[1])]
saved = json.load(open(sys.argv[2]))
assert [m["role"] for m in saved] == ["system", "user", "assistant"], saved
assert saved[2]["content"] == lines[0]["content"] and lines[1]["prompt_tokens"] > lines[0]["prompt_tokens"]
END
    fi
    chat '<|im_end|>\n/tokens\n/nope\n/load %s\n' -n 1 "--json"
    says "tokens of"
    says "/nope"
    long=$(printf 'Once upon a time there was a little thing and it was not long. %.0s' 1 2 3)
    chat "$long\\n$long\\n$long\\n" -c 200 -n 20 --json
    says G0718
    [ "$got" -eq 3 ] || fault "a full context: exit code $got"
    chat "$long\\n$long\\n$long\\n" -c 200 -n 20 --json --when-full drop
    [ "$got" -eq 0 ] || fault "--when-full drop: exit code $got: $(head -c 300 "$tmp/err")"
    [ "$(wc -l <"$tmp/out")" -eq 3 ] || fault "--when-full drop: not three answers"
    says dropped
}

test_inspect() {
    expect 0 out inspect "$tmp/tiny.gguf"
    has 'general.architecture = "llama"'
    has "glia.test.u64 = 18446744073709551615"
    has "token_embd.weight"
    expect 0 out inspect "$tmp/tiny.gguf" --json
    is_json
    # Type 36 (I2_S) is listed but not read; a name with an escape character must not steer the terminal.
    if [ -n "$python" ]; then
        "$python" - "$tmp/odd.gguf" <<'END'
import struct, sys
def text(s): return struct.pack("<Q", len(s)) + s
head = b"GGUF" + struct.pack("<IQQ", 3, 2, 1) + text(b"general.name") + struct.pack("<I", 8) + text(b"\x1b[31mred")
head += text(b"odd\x1b[31m") + struct.pack("<IQIQ", 1, 256, 36, 0)
head += text(b"stranger") + struct.pack("<IQIQ", 1, 64, 99, 96)
head += b"\0" * (-len(head) % 32)
open(sys.argv[1], "wb").write(head + b"\0" * 512)
END
        expect 0 out inspect "$tmp/odd.gguf"
        has I2_S
        has "type 99"
        has 'x1b[31mred'
        grep -q "$(printf '\033')" "$tmp/out" && fault "an escape character reaches the terminal"
        expect 0 out inspect "$tmp/odd.gguf" --json
        is_json
        expect 3 none run "$tmp/odd.gguf" -p a
    fi
}

test_plan() {
    expect 0 out plan "$demo" -c 256 -t 2
    for word in pass weights arena "lower bound" phases meetings kernel linear; do has "$word"; done
    expect 0 out plan "$demo" -c 256 -t 2 --json
    is_json
    for word in bytes weights packed streamed state arena scratch tables arena_lower_bound phases meetings_per_token \
        meetings_per_layer threads slots variants items node op kernel isa partition; do has "\"$word\":"; done
    expect 0 out plan "$demo" -t 1 --json
    has '"meetings_per_token":0'
    has '"meetings_per_layer":0'
    expect 0 out plan "$demo" --isa portable --json
    grep -q '"isa":"avx' "$tmp/out" && fault "--isa portable has vector kernels"
    expect 0 out plan "$demo" --graph
}

# The header of a NumPy file, and the floats as text, without NumPy.
test_logits() {
    expect 0 any logits "$demo" --ids 1,403,407 -o "$tmp/a.npy"
    head -c 128 "$tmp/a.npy" | grep -aq "(3, 1024)" || fault "the shape is not (3, 1024)"
    head -c 128 "$tmp/a.npy" | grep -aq "'<f4'" || fault "the type is not <f4"
    expect 0 any logits "$demo" --ids 1,403,407 -o "$tmp/b.npy" --chunk 1 -t 2
    cmp -s "$tmp/a.npy" "$tmp/b.npy" || fault "the size of a step changes the logits"
    printf 'Once upon a time' >"$tmp/prompt"
    expect 0 out logits "$demo" -f "$tmp/prompt" -o "$tmp/c.npy" --json
    is_json
    has '"tokens":5'
    [ -e "$tmp/c.npy.tmp" ] && fault "a temporary file is left"
    expect 1 none logits "$demo" --ids 1 -o "$tmp/no/folder.npy"
}

test_tokenize() {
    expect 0 out tokenize "$demo" -p "Once upon a time"
    [ "$(cat "$tmp/out")" = "1 483 484 261 422" ] || fault "ids are $(cat "$tmp/out")"
    "$glia" tokenize "$demo" --decode <"$tmp/out" >"$tmp/text" || fault "--decode fails"
    [ "$(cat "$tmp/text")" = "Once upon a time" ] || fault "the text is $(cat "$tmp/text")"
    printf 'a\nb  c\303\274' >"$tmp/in"
    "$glia" tokenize "$demo" <"$tmp/in" | "$glia" tokenize "$demo" --decode >"$tmp/text"
    cmp -s "$tmp/in" "$tmp/text" || fault "a text does not come back"
    expect 0 out tokenize "$demo" -p "Tom" --no-bos
    grep -q '^1 ' "$tmp/out" && fault "--no-bos gives a beginning token"
    expect 0 out tokenize "$demo" -p "Tom" --pieces
    expect 0 out tokenize "$demo" -p "Tom" --json
    is_json
    expect 0 out tokenize "$demo" -p ""
    [ "$(cat "$tmp/out")" = 1 ] || fault "an empty text is $(cat "$tmp/out")"
}

# The mean over windows is that of the logits: computed here from `glia logits`.
test_perplexity() {
    printf 'Once upon a time, there was a little girl named Lily. She was happy.' >"$tmp/prompt"
    expect 0 out perplexity "$demo" -f "$tmp/prompt"
    for word in nll ppl tokens; do has "$word "; done
    expect 0 out perplexity "$demo" -f "$tmp/prompt" --json -c 8 -b 3
    is_json
    cp "$tmp/out" "$tmp/windows"
    if [ -n "$python" ]; then
        ids=$("$glia" tokenize "$demo" -f "$tmp/prompt" | tr ' ' ,)
        "$python" - "$glia" "$demo" "$ids" "$tmp/windows" "$tmp/w.npy" <<'END' || fault "not what logits give"
import json, math, struct, subprocess, sys
glia, model, ids, windows, file = sys.argv[1:]
ids, total, count = [int(i) for i in ids.split(",")], 0.0, 0
for at in range(0, len(ids), 8):
    part = ids[at:at + 8]
    subprocess.run([glia, "logits", model, "--ids", ",".join(map(str, part)), "-o", file], check=True)
    data = open(file, "rb").read()[-len(part) * 1024 * 4:]
    for i in range(len(part) - 1):
        row = struct.unpack("<1024f", data[i * 4096:(i + 1) * 4096])
        most = max(row)
        total += math.log(math.fsum(math.exp(v - most) for v in row)) + most - row[part[i + 1]]
        count += 1
found = json.load(open(windows))
assert found["tokens"] == count, (found, count)
assert abs(found["nll"] - total / count) < 1e-9, (found, total / count)
assert abs(found["ppl"] - math.exp(total / count)) < 1e-6 * found["ppl"]
END
    fi
    printf '' >"$tmp/empty"
    expect 3 none perplexity "$demo" -f "$tmp/empty"
    expect 2 none perplexity "$demo" -f "$tmp/prompt" -c 1
}

test_bench() {
    expect 0 out bench "$demo" -p 8 -n 4 -t 1,2 -r 2 -o json
    is_json
    for word in n_prompt n_gen n_depth n_threads avg_ts samples_ts avg_ns samples_ns stddev_ns model_filename \
        model_size model_type model_n_params n_batch n_ubatch type_k type_v test_time cpu_info build_commit \
        step_p99_9_ns load_ns first_token_cold_ns peak_rss page_faults_minor meetings waiting limit_read \
        limit_int8 fraction_read; do
        has "\"$word\":"
    done
    has '"n_prompt":8,"n_gen":0,"n_depth":0,"n_threads":1'
    has '"n_reused":0'
    has '"allocations":0'
    has '"n_prompt":0,"n_gen":4,"n_depth":0,"n_threads":2'
    expect 0 out bench "$demo" -p 0 -n 4 --depth 3,5 -t 1 -r 1 -o csv
    has ",0,4,3,1,"
    has ",0,4,5,1,"
    [ "$(wc -l <"$tmp/out")" -eq 3 ] || fault "a header and two results were expected"
    fields=$(sed 's/"[^"]*"/x/g; s/[^,]//g' "$tmp/out" | sort -u | wc -l)
    [ "$fields" -eq 1 ] || fault "the lines differ in their number of fields"
    expect 0 out bench "$demo" -p 4 -n 0 -t 1 -r 1
    has "prefill 4"
    has "limits of 1 threads"
    expect 0 out bench "$demo" -pg 4,2 -d 3 -ub 2 -b 8 -ctk q8_0 -t 1 -r 1 -o json
    has '"n_ubatch":2,"n_prompt":4,"n_gen":2,"n_depth":3'
    has '"type_k":"q8_0"'
    expect 0 out bench "$demo" -p 0 -n 3 --parallel 3 -t 2 -r 1
    has "decode 3, 3 sequences"
    expect 0 out bench "$demo" --latency -n 200 -t 1 -o json
    is_json
    has '"tokens":200'
    has '"p99_9_over_p50"'
    expect 0 out bench --kernels silu -o json
    is_json
    expect 2 none bench "$demo" -pg 4
    expect 2 none bench "$demo" -ctk f16 -ctv f32
    expect 2 none bench "$demo" --parallel 9 -b 8
    expect 2 none bench --kernels no-such-kernel
    expect 3 none bench "$demo" -p 64 -n 4 -t 1 -c 16
}

# bench/compare.py beside a program that claims two tokens a second
test_compare() {
    if [ -z "$python" ] || [ ! -r /proc/cpuinfo ]; then
        skipped="needs Python and Linux"
        return
    fi
    cat >"$tmp/slow" <<'END'
#!/bin/sh
case $* in *--help*) echo --n-depth ;; esac
echo '[{"n_prompt":8,"n_gen":0,"n_threads":1,"samples_ts":[2.0]},'
echo ' {"n_prompt":0,"n_gen":4,"n_threads":1,"samples_ts":[2.0]}]'
END
    chmod +x "$tmp/slow"
    "$python" bench/compare.py "$demo" --glia "$glia" --no-llama-cpp --llama-bench slow="$tmp/slow" --threads 1 \
        -p 8 -n 4 --rounds 2 --no-result >"$tmp/out" 2>"$tmp/err" || fault "it fails: $(tail -n 3 "$tmp/err")"
    has "prefill of 8 tokens"
    has "decode of 4 tokens after 16"
    has "| slow | 2 | 2 to 2 | **"
    "$python" bench/compare.py "$demo" --glia "$glia" --no-llama-cpp --tests nonsense >"$tmp/out" 2>&1 &&
        fault "a test that is not known is taken"
}

test_profile() {
    expect 0 out run "$demo" -p Tom -n 3 --profile "$tmp/trace.json" -t 2
    cp "$tmp/trace.json" "$tmp/out"
    is_json
    has '"traceEvents"'
    has '"wait"'
    expect 0 out run "$demo" -p Tom -n 3 --profile - -t 2
    says waiting
    says linear
    expect 1 any run "$demo" -p Tom -n 3 --profile "$tmp/no/trace.json"
}

test_synth() {
    expect 2 none bench "$demo" --synth tiny:Q8_0
    expect 2 none bench --synth nonsense:Q8_0
    expect 0 out bench --synth tiny:Q8_0 -p 4 -n 2 -t 1 -r 1
    has '| tiny:Q8_0 | llama Q8_0'
    expect 0 any synth --shape tiny --type F32 --seed 7 "$tmp/a.gguf"
    expect 0 any synth --shape tiny --type f32 --seed 7 "$tmp/b.gguf"
    expect 0 any synth --shape tiny --type F32 --seed 8 "$tmp/c.gguf"
    cmp -s "$tmp/a.gguf" "$tmp/b.gguf" || fault "a seed gives two files"
    cmp -s "$tmp/a.gguf" "$tmp/c.gguf" && fault "two seeds give one file"
    expect 0 out run "$tmp/a.gguf" -p a -n 3 --ignore-eos
    expect 1 none synth --shape tiny "$tmp/no/folder.gguf"
}

test_explain() {
    expect 0 out explain
    for code in $(cut -d ' ' -f 1 "$tmp/out"); do
        "$glia" explain "$code" >"$tmp/text" 2>&1 || fault "$code is listed, but not explained"
        grep -q "^$code: " "$tmp/text" || fault "$code is explained without its name"
    done
    expect 0 out explain --json
    is_json
    expect 0 out explain G0301 --json
    is_json
}

test_quantize() {
    expect 2 none quantize "$tmp/tiny.gguf"
    expect 2 none quantize "$tmp/tiny.gguf" Q4_0
    expect 2 none quantize "$tmp/tiny.gguf" "$tmp/q.gguf" Q9_Z
    expect 3 none quantize "$tmp/absent.gguf" "$tmp/q.gguf" Q4_0
    expect 3 none quantize "$tmp/tiny.gguf" "$tmp/q.gguf" Q4_0 --imatrix "$tmp/tiny.gguf"
    [ ! -e "$tmp/q.gguf" ] || fault "a refused model was written"
    expect 0 out quantize "$tmp/tiny.gguf" Q4_0 --dry-run
    has "blk.0.attn_q.weight [32, 32] q8_0 -> q4_0"
    has "were in a block format before"
    expect 0 any quantize "$tmp/tiny.gguf" "$tmp/q.gguf" q4_0 -t 3
    expect 0 out quantize "$tmp/tiny.gguf" "$tmp/r.gguf" Q4_0 -t 1 --json
    has '"quantized":'
    cmp -s "$tmp/q.gguf" "$tmp/r.gguf" || fault "threads change the file"
    expect 0 out run "$tmp/q.gguf" -p "" -n 3
    rm -f "$tmp/q.gguf" "$tmp/r.gguf"
}

test_imatrix() {
    expect 2 none imatrix "$demo"
    expect 2 none imatrix "$demo" -p "Once upon a time"
    expect 3 none imatrix "$demo" -p "" -o "$tmp/demo.imatrix"
    expect 0 out imatrix "$demo" -p "Once upon a time there was a cat." -o "$tmp/demo.imatrix" --json
    has '"entries":'
    expect 0 out quantize "$demo" "$tmp/q.gguf" Q4_K_M --imatrix "$tmp/demo.imatrix"
    expect 0 out run "$tmp/q.gguf" -p "Tom" -n 3
    rm -f "$tmp/q.gguf" "$tmp/demo.imatrix"
}

test_convert() {
    cp -r tests/vectors/convert/qwen2 "$tmp/checkpoint"
    expect 2 none convert "$tmp/checkpoint"
    expect 2 none convert "$tmp/checkpoint" "$tmp/converted.gguf" --type Q4_K
    expect 3 none convert "$tmp/checkpoint" "$tmp/converted.gguf" --type F32
    [ ! -e "$tmp/converted.gguf" ] || fault "a refused checkpoint was written"
    cp tests/vectors/convert/tokenizer.json "$tmp/checkpoint/"
    expect 0 any convert "$tmp/checkpoint" "$tmp/converted.gguf"
    expect 0 out convert "$tmp/checkpoint/model.safetensors" "$tmp/converted.gguf" --json
    has '"tensors":'
    expect 0 out inspect "$tmp/converted.gguf"
    has 'general.architecture = "qwen2"'
    expect 0 out run "$tmp/converted.gguf" -p "the thing" -n 3
    rm -rf "$tmp/checkpoint" "$tmp/converted.gguf"
}

test_generated_texts() {
    expect 0 out --man
    for command in $commands; do has "GLIA $command"; done
    has '\fB\-\-repeat\-penalty\fR'
    expect 0 out --completion bash
    bash -n "$tmp/out" 2>"$tmp/err" || fault "bash refuses its completion: $(cat "$tmp/err")"
    cat >>"$tmp/out" <<'END'
COMP_WORDS=(glia plan --isa av); COMP_CWORD=3; _glia; echo "${COMPREPLY[*]}"
COMP_WORDS=(glia pl); COMP_CWORD=1; _glia; echo "${COMPREPLY[*]}"
COMP_WORDS=(glia run --top); COMP_CWORD=2; _glia; echo "${COMPREPLY[*]}"
END
    found=$(bash "$tmp/out" | tr '\n' ';')
    [ "$found" = "avx2 avxvnni avx512 avx512vnni;plan;--top-k --top-p --top-nsigma;" ] || fault "completions are $found"
    expect 0 out --completion zsh
    has "#compdef glia"
    expect 0 out --completion fish
    has "complete -c glia"
}

test_golden_story() {
    file=$data/llm/stories260K/stories260K-f32.gguf
    if [ -z "$data" ] || [ ! -f "$file" ]; then
        skipped="GLIA_TEST_DATA has no stories260K"
        return
    fi
    want=$data/llm/stories260K/expected_greedy_200steps.txt
    expect 0 out run "$file" -p "" -n 200 --temp 0
    head -c "$(wc -c <"$want")" "$tmp/out" >"$tmp/begin"
    cmp -s "$tmp/begin" "$want" || fault "the text is $(head -c 200 "$tmp/out")"
}

test_embed() {
    bert=$root/tests/vectors/arch/bert.gguf
    printf 'the thing\n\nwas it\n' >"$tmp/texts"
    expect 0 out embed "$bert" -f "$tmp/texts" -t 1
    cp "$tmp/out" "$tmp/lines"
    [ "$(wc -l <"$tmp/out")" -eq 3 ] || fault "three texts give $(wc -l <"$tmp/out") lines"
    elements=$(head -1 "$tmp/out" | wc -w)
    [ "$elements" -eq 48 ] || fault "an embedding has $elements elements, want 48"
    expect 0 out embed "$bert" -f "$tmp/texts" -t 2 --isa portable
    cmp -s "$tmp/out" "$tmp/lines" || fault "threads change the embeddings"
    expect 0 out embed "$bert" --ids 1,2,3 --pooling none
    [ "$(wc -l <"$tmp/out")" -eq 3 ] || fault "three ids give $(wc -l <"$tmp/out") lines"
    expect 2 none embed "$bert" --ids 1,2 -p "was it"
    expect 3 none embed "$bert" --ids 1,99999999
    expect 0 out embed "$bert" -p "was it" --pooling cls
    tail -1 "$tmp/lines" | cmp -s - "$tmp/out" || fault "a text alone has another embedding"
    expect 0 out embed "$bert" -p "was it" --pooling mean --normalize --json
    is_json
    has '"pooling":"mean","normalized":true,"width":48,"tokens":[4],"embeddings":[['
    expect 0 out embed "$bert" -p "was it" --pooling none
    [ "$(wc -l <"$tmp/out")" -eq 4 ] || fault "four tokens give $(wc -l <"$tmp/out") lines"
    expect 0 any embed "$bert" -f "$tmp/texts" -o "$tmp/e.npy"
    head -c 128 "$tmp/e.npy" | grep -aq "(3, 48)" || fault "the shape is not (3, 48)"
    expect 0 out embed "$demo" -p "Once upon a time"
    expect 2 none embed "$bert" -p a --pooling max
    expect 2 none embed "$bert" -p a -f "$tmp/texts"
    expect 3 none embed "$bert" -p "the thing was it" -b 4
    says "G0543"
    says "text 1"
    expect 3 none run "$bert" -p a
    says "G0540"
}

test_example() {
    library=$(dirname "$glia")/libglia.a
    if [ ! -f "$library" ]; then
        skipped="no libglia.a beside the program"
        return
    fi
    flags=
    if nm "$library" 2>/dev/null | grep -q __asan_init; then flags=-fsanitize=address,undefined; fi
    if nm "$library" 2>/dev/null | grep -q __tsan_init; then flags=-fsanitize=thread; fi
    ${CC:-cc} -std=c17 -O1 -Wall -Wextra -Werror $flags -Iinclude examples/generate.c "$library" -pthread -lm \
        -o "$tmp/generate" || fault "the example does not compile"
    [ "$(wc -l <examples/generate.c)" -le 60 ] || fault "the example has more than 60 lines"
    "$tmp/generate" "$demo" >"$tmp/out" 2>&1 || fault "the example fails: $(cat "$tmp/out")"
    has "bytes will be taken"
    has "Once upon a time, there was"
    has "cancelled"
    "$tmp/generate" "$tmp/absent.gguf" >"$tmp/out" 2>&1 && fault "the example runs without a model"
}

"$glia" synth --shape tiny --type Q8_0 "$tmp/tiny.gguf" || exit 2
for name in help usage refusals pack_cache networks vocabulary_only run chat sampling loop sessions \
    interrupt full_disk inspect plan logits tokenize embed perplexity bench compare profile synth quantize \
    imatrix convert explain generated_texts golden_story example; do
    skipped=
    test_$name
    if [ -n "$skipped" ]; then echo "skip cli_$name: $skipped"; else say "cli_$name"; fi
done
[ $failures -eq 0 ]
