#!/bin/sh
# check_symbols.sh NM OBJECT...: each SIMD level's object defines one or two global symbols, its tables, and no weak
# one. A weak inline function compiled with AVX-512 could be the copy the linker keeps for every level.
nm=$1
shift
for object in "$@"; do
  symbols=$("$nm" -C --defined-only "$object" | awk '$2 ~ /[A-Zuvw]/ {print $2, $3}')
  others=$(echo "$symbols" | grep -v '^[DR] pellucid::kernels::[a-z0-9]*::k[A-Za-z]*Table$')
  case $symbols in
    *::kTable*) [ -z "$others" ] && continue ;;
  esac
  echo "$object: expected tables alone, found: $symbols"
  exit 1
done
