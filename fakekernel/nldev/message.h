// Builds netlink messages in a datagram of limited size, the way the kernel fills a socket buffer.
#pragma once

#include "fakekernel/nldev/uapi.h"

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace rdmalab::fakekernel::nldev {

// What does not fit is not written; full() says so from then on, until the writer goes back to where it still fitted.
class Datagram {
public:
    explicit Datagram(std::size_t capacity) : capacity_(capacity) {}

    std::size_t size() const noexcept { return bytes_.size(); }
    bool full() const noexcept { return full_; }
    // Drops what was written after the datagram had `size` octets.
    void cutTo(std::size_t size);
    std::string take() { return std::move(bytes_); }

    // Where the message begins, for end().
    std::size_t begin(std::uint16_t type, std::uint16_t flags, std::uint32_t sequence, std::uint32_t portId);
    void end(std::size_t message); // fills in its length

    void raw(std::string_view bytes); // padded to four octets
    void put(std::uint16_t attribute, std::string_view bytes);
    void u8(std::uint16_t attribute, std::uint8_t value);
    void u32(std::uint16_t attribute, std::uint32_t value);
    void u64(std::uint16_t attribute, std::uint64_t value);
    void text(std::uint16_t attribute, std::string_view value); // with its NUL
    // Where the nest begins, for endNest(). `flagged`: with NLA_F_NESTED, which only the newer commands have.
    std::size_t beginNest(std::uint16_t attribute, bool flagged = false);
    void endNest(std::size_t nest);

private:
    bool fits(std::size_t octets);
    template <typename Integer>
    void append(Integer value) {
        bytes_.append(reinterpret_cast<const char*>(&value), sizeof value);
    }

    std::size_t capacity_;
    std::string bytes_;
    bool full_ = false;
};

} // namespace rdmalab::fakekernel::nldev
