// Netlink requests on libnl-3: building a message, sending it, and getting its answers with the kernel's own errno.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

struct nl_msg;
struct nl_sock;
struct nlattr;
struct nlmsghdr;

namespace rdmalab::plugin {

class NetlinkMessage {
public:
    // `flags`: NLM_F_* besides REQUEST.
    NetlinkMessage(int type, int flags);
    ~NetlinkMessage();
    NetlinkMessage(const NetlinkMessage&) = delete;
    NetlinkMessage& operator=(const NetlinkMessage&) = delete;

    template <typename Header>
    NetlinkMessage& header(const Header& value) {
        append(&value, sizeof value);
        return *this;
    }
    NetlinkMessage& put(int attribute, const void* data, std::size_t size);
    NetlinkMessage& put(int attribute, const std::string& text); // with the final zero
    NetlinkMessage& putU8(int attribute, std::uint8_t value) { return put(attribute, &value, sizeof value); }
    NetlinkMessage& putU32(int attribute, std::uint32_t value) { return put(attribute, &value, sizeof value); }
    NetlinkMessage& nest(int attribute, const std::function<void()>& content);

    nl_msg* get() const noexcept { return message_; }

private:
    void append(const void* data, std::size_t size);

    nl_msg* message_;
};

// One socket, opened in the namespace of the thread that constructs it; it stays there.
class NetlinkSocket {
public:
    using Reply = std::function<void(const nlmsghdr&)>;

    // `protocol`: NETLINK_ROUTE (0) or another. KernelError EPROTONOSUPPORT: the kernel does not know it.
    explicit NetlinkSocket(int protocol = 0);
    ~NetlinkSocket();
    NetlinkSocket(const NetlinkSocket&) = delete;
    NetlinkSocket& operator=(const NetlinkSocket&) = delete;

    // Sends with NLM_F_ACK and waits for the acknowledgement; answers before it go to `reply`.
    // Throws KernelError with the kernel's errno and its Go text.
    void request(NetlinkMessage& message, const Reply& reply = {});
    // Sends with NLM_F_DUMP. `restart` is called when the kernel reports that the table changed while it was dumped:
    // everything reported so far is to be forgotten.
    void dump(const std::function<void(NetlinkMessage&)>& fill, int type, const Reply& reply,
              const std::function<void()>& restart);

private:
    bool exchange(NetlinkMessage& message, int flags, const Reply& reply); // false: the dump was interrupted

    nl_sock* socket_;
};

} // namespace rdmalab::plugin
