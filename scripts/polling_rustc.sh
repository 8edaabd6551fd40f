#!/bin/sh
# Cargo's RUSTC_WORKSPACE_WRAPPER for the tests that wait by polling: zloop's own crates get the flag,
# and all others stay as they were built for the tests before.
exec "$@" --cfg zloop_polling_wait
