#!/bin/sh
# check_symbols.sh NM OBJECT...: each SIMD level's object defines exactly one global symbol, its table, and no weak
# one. A weak inline function compiled with AVX-512 could be the copy the linker keeps for every level.
nm=$1
shift
for object in "$@"; do
  symbols=$("$nm" -C --defined-only "$object" | awk '$2 ~ /[A-Zuvw]/ {print $2, $3}')
  case $symbols in
    [DR]\ pellucid::kernels::*::kTable) ;;
    *) echo "$object: expected one global symbol, found: $symbols"; exit 1 ;;
  esac
  [ "$(echo "$symbols" | wc -l)" = 1 ] || { echo "$object: $symbols"; exit 1; }
done
