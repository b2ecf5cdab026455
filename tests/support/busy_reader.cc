// SPDX-License-Identifier: Apache-2.0
#include "tests/support/busy_reader.h"

#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <numeric>
#include <system_error>
#include <vector>

namespace closewatch::testing {
namespace {

void insist(bool succeeded, const char* what) {
  if (!succeeded) throw std::system_error(errno, std::generic_category(), what);
}

UniqueFd faults_of(std::span<std::byte> page) {
  UniqueFd faults(static_cast<int>(::syscall(SYS_userfaultfd, O_CLOEXEC)));
  insist(faults.valid(), "userfaultfd");
  uffdio_api api{};
  api.api = UFFD_API;
  insist(::ioctl(faults.get(), UFFDIO_API, &api) == 0, "UFFDIO_API");
  uffdio_register all{};
  all.range = {reinterpret_cast<std::uintptr_t>(page.data()), page.size()};
  all.mode = UFFDIO_REGISTER_MODE_MISSING;
  insist(::ioctl(faults.get(), UFFDIO_REGISTER, &all) == 0, "UFFDIO_REGISTER");
  return faults;
}

/// RFC 1071; over IPv4's pseudo header (RFC 9293, section 3.1) and the segment, of an even size.
std::uint16_t checksum_of(std::span<const std::uint16_t> segment) {
  constexpr std::uint32_t kLow = 0xffff;
  const std::array<std::uint32_t, 6> pseudo_header = {
      htons(INADDR_LOOPBACK >> 16U),
      htons(INADDR_LOOPBACK & kLow),
      htons(INADDR_LOOPBACK >> 16U),
      htons(INADDR_LOOPBACK & kLow),
      htons(IPPROTO_TCP),
      htons(static_cast<std::uint16_t>(segment.size_bytes()))};
  auto sum = std::accumulate(pseudo_header.begin(), pseudo_header.end(), std::uint32_t{0});
  for (const auto word : segment) {
    sum += word;
    sum = (sum & kLow) + (sum >> 16U);
  }
  return static_cast<std::uint16_t>(~((sum & kLow) + (sum >> 16U)));
}

}  // namespace

BusyReader::BusyReader(int socket) {
  const auto size = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
  void* const memory =
      ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  insist(memory != MAP_FAILED, "mmap");
  page_ = {static_cast<std::byte*>(memory), size};
  faults_ = faults_of(page_);
  reader_ =
      std::thread([socket, page = page_] { (void)::recv(socket, page.data(), page.size(), 0); });
  uffd_msg fault{};
  insist(::read(faults_.get(), &fault, sizeof(fault)) == sizeof(fault), "waiting for the reader");
}

BusyReader::~BusyReader() {
  uffdio_zeropage zero{};
  zero.range = {reinterpret_cast<std::uintptr_t>(page_.data()), page_.size()};
  (void)::ioctl(faults_.get(), UFFDIO_ZEROPAGE, &zero);
  reader_.join();
  ::munmap(page_.data(), page_.size());
}

void send_stray_segments(std::uint16_t from, std::uint16_t to, std::size_t size, int count) {
  tcphdr header{};
  header.source = htons(from);
  header.dest = htons(to);
  header.doff = sizeof(header) / sizeof(std::uint32_t);
  header.ack = 1;
  std::vector<std::uint16_t> segment((sizeof(header) + size) / sizeof(std::uint16_t));
  std::memcpy(segment.data(), &header, sizeof(header));
  header.check = checksum_of(segment);
  std::memcpy(segment.data(), &header, sizeof(header));

  const UniqueFd raw(::socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_TCP));
  insist(raw.valid(), "a raw socket");
  sockaddr_in target{};
  target.sin_family = AF_INET;
  target.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  const std::span bytes = std::as_bytes(std::span(segment));
  for (int i = 0; i < count; ++i) {
    // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast): as sendto(2) wants it
    const auto* const address = reinterpret_cast<const sockaddr*>(&target);
    insist(::sendto(raw.get(), bytes.data(), bytes.size(), 0, address, sizeof(target)) ==
               static_cast<ssize_t>(bytes.size()),
           "a stray segment");
  }
}

}  // namespace closewatch::testing
