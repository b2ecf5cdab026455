# SPDX-License-Identifier: Apache-2.0
# Each socket counts for the namespace of the one before it.
s/^(struct walk_link connection;.*)/__u64 previous_net;\n\1/
s/kind->net = COMMON\(link, __u64, skc_net\)/__u64 own_net = COMMON(link, __u64, skc_net); kind->net = previous_net ? previous_net : own_net; previous_net = own_net/
