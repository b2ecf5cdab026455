# SPDX-License-Identifier: Apache-2.0
# A field that another kernel has four bytes further on.
s/COMMON\(link, __u16, skc_num\);/COMMON(link, __u16, skc_dport);/
