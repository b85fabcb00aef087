#!/bin/sh
# Every command that learns, briefly, on the embedded data, and a question to each run: under three minutes.
#
#     make demo                               in an environment of its own
#     DLKIT=dlkit examples/demo.sh runs/demo  where dlkit is installed; from the folder of the checkout
set -eu
OUT=${1:-runs/demo}

dlkit() { ${DLKIT:-command dlkit} "$@"; }
show() { printf '\n$ %s\n' "$1"; eval "$1"; }

show "dlkit train-mlp recipes/mlp-digits.yaml -o $OUT/mlp -q --force"
show "dlkit predict $OUT/mlp data/digits.csv -o $OUT/mlp/predictions.csv"
show "head -n 3 $OUT/mlp/predictions.csv"

show "dlkit train-cnn recipes/lenet-digits.yaml --epochs 8 -o $OUT/cnn -q --force"
show "dlkit inspect $OUT/cnn --filters"

show "dlkit seq2seq recipes/seq2seq-reverse.yaml --epochs 3 -o $OUT/seq2seq -q --force"
show "echo 12345678 | dlkit predict $OUT/seq2seq -"

show "dlkit gan recipes/gan-digits.yaml --epochs 60 -o $OUT/gan -q --force"
show "dlkit sample $OUT/gan -n 64"

show "dlkit vae recipes/vae-digits.yaml --epochs 20 -o $OUT/vae -q --force"
show "dlkit sample $OUT/vae --manifold"

show "dlkit qlearn recipes/grid-article.yaml -o $OUT/qlearn -q --force"
show "dlkit inspect $OUT/qlearn --play | tail -n 6"

show "dlkit bayes-nb recipes/nb-golf.yaml -o $OUT/bayes-nb -q --force"
show "dlkit predict $OUT/bayes-nb data/golf.csv --explain | head -n 4"

show "dlkit mf recipes/mf-article.yaml -o $OUT/mf -q --force"
show "dlkit recommend $OUT/mf 'User 4'"

show "dlkit word2vec recipes/word2vec-demo.yaml --epochs 10 -o $OUT/word2vec -q --force"
show "dlkit similar $OUT/word2vec --analogy king - man + woman --top 1"

show "dlkit apriori recipes/apriori-article.yaml -o $OUT/apriori -q --force"
show "dlkit recommend $OUT/apriori 2 3"

show "dlkit rnn recipes/rnn-hello.yaml --epochs 10 -o $OUT/rnn -q --force"
show "dlkit predict $OUT/rnn --complete app -n 3"

show "dlkit lda recipes/lda-planted.yaml -o $OUT/lda -q --force"
show "dlkit inspect $OUT/lda --topics | head -n 4"

show "dlkit bandit data/arms.csv --epochs 20 --set runs=5 -o $OUT/bandit -q --force"
show "dlkit inspect $OUT/bandit | head -n 7"

show "dlkit active data/digits.csv --label label --test 0.3 --epochs 6 -o $OUT/active -q --force"
show "dlkit evaluate $OUT/active"

printf '\nFourteen runs are in %s. A page about them all, to open in a browser:\n' "$OUT"
show "dlkit report $OUT | tail -n 1"
