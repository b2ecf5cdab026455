// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>

namespace closewatch::http {

/// How many bytes of all that was sent on a connection its other end has acknowledged; nullopt
/// where the kernel does not tell (it does since Linux 4.1).
std::optional<std::uint64_t> bytes_acknowledged(int socket);

/// How many bytes wait in the kernel for the other end to take or acknowledge them; its FIN counts
/// as one. 0 where the kernel does not tell.
std::size_t bytes_undelivered(int socket);

/// What becomes of these when the socket is closed: the kernel goes on trying for minutes with them
/// in its memory, or drops them and sends a RST.
void drop_undelivered_on_close(int socket, bool drop);

/// How many connections wait to be accepted; 0 where the kernel does not tell.
std::size_t accept_queue_length(int listener);

}  // namespace closewatch::http
