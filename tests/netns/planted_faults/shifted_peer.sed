# SPDX-License-Identifier: Apache-2.0
# A field that another kernel has four bytes further on.
s/COMMON\(link, __u32, skc_daddr\)/COMMON(link, __u32, skc_rcv_saddr)/
