# SPDX-License-Identifier: Apache-2.0
# Every 64th bucket is left out.
s/^(  bpf_loop\(WALK_ATTEMPTS, attempt, 0, 0\);)/  if ((number \& 63) == 63) return 0;\n\1/
