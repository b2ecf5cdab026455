# SPDX-License-Identifier: Apache-2.0
# A socket counts twice.
s/\[kind\.state & \(WALK_STATES - 1\)\]\+\+/[kind.state \& (WALK_STATES - 1)] += 2/
