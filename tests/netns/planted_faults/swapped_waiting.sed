# SPDX-License-Identifier: Apache-2.0
# Two states that have changed places: established and FIN_WAIT2; CLOSE_WAIT and LAST_ACK.
s/^(  kind->described = )/  kind->state = kind->state == 8 ? 9 : kind->state == 9 ? 8 : kind->state;\n\1/
