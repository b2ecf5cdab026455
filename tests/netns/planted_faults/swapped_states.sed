# SPDX-License-Identifier: Apache-2.0
# Two states that have changed places: established and FIN_WAIT2; CLOSE_WAIT and LAST_ACK.
s/^(  kind->described = )/  kind->state = kind->state == 1 ? 5 : kind->state == 5 ? 1 : kind->state;\n\1/
