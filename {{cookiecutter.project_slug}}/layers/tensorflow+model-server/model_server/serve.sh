#!/bin/sh
# TensorFlow Serving with the given flags. It would compute on CPUs where it finds no GPU, and not say so:
# where DEVICE is cuda, it does not start then.
fail() { echo "error: DEVICE is \"$DEVICE\", $*" >&2 && exit 1; }

case ${DEVICE:-} in
    '' | cpu) ;;
    cuda)
        ls -d /usr/local/cuda* >/dev/null 2>&1 || fail 'and this image has no CUDA. Build one with "make image OVERLAY=gpu".'
        nvidia-smi -L || fail "and there is no GPU here. Run it where one is, or without DEVICE."
        ;;
    *) fail 'which is none: "cpu", "cuda" or nothing is accepted.' ;;
esac
exec tensorflow_model_server "$@"
