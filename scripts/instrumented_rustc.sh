#!/bin/sh
# Cargo's RUSTC_WRAPPER for the fuzz targets: instruments zloop's own crates and leaves the others as
# the tests have built them. The flags are those of cargo-fuzz, save for the sanitizer, which wants a
# nightly toolchain.
case "$CARGO_PKG_NAME" in
zloop-*)
    exec "$@" --cfg fuzzing -Cpasses=sancov-module \
        -Cllvm-args=-sanitizer-coverage-level=4 \
        -Cllvm-args=-sanitizer-coverage-inline-8bit-counters \
        -Cllvm-args=-sanitizer-coverage-pc-table \
        -Cllvm-args=-sanitizer-coverage-trace-compares
    ;;
*)
    exec "$@"
    ;;
esac
