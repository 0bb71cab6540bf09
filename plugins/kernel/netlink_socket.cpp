#include "plugins/kernel/netlink_socket.h"

#include "plugins/kernel/kernel.h"
#include "util/syscall.h"

#include <cstdlib>
#include <linux/rtnetlink.h>
#include <memory>
#include <netlink/attr.h>
#include <netlink/errno.h>
#include <netlink/msg.h>
#include <netlink/netlink.h>
#include <netlink/socket.h>
#include <new>

namespace rdmalab::plugin {

namespace {

[[noreturn]] void fail(int code) {
    throw KernelError(goErrnoText(code), code);
}

// libnl returns negative numbers of its own; those of calls that failed in the system leave errno behind.
void checkedNl(const char* attempted, int result) {
    if (result < 0)
        throw KernelError(std::string(attempted) + ": " + nl_geterror(result), errno != 0 ? errno : EIO);
}

} // namespace

NetlinkMessage::NetlinkMessage(int type, int flags) : message_(nlmsg_alloc_simple(type, NLM_F_REQUEST | flags)) {
    if (message_ == nullptr)
        throw std::bad_alloc();
}

NetlinkMessage::~NetlinkMessage() {
    nlmsg_free(message_);
}

void NetlinkMessage::append(const void* data, std::size_t size) {
    if (nlmsg_append(message_, const_cast<void*>(data), size, NLMSG_ALIGNTO) < 0)
        fail(EMSGSIZE);
}

NetlinkMessage& NetlinkMessage::put(int attribute, const void* data, std::size_t size) {
    if (nla_put(message_, attribute, static_cast<int>(size), data) < 0)
        fail(EMSGSIZE);
    return *this;
}

NetlinkMessage& NetlinkMessage::put(int attribute, const std::string& text) {
    return put(attribute, text.c_str(), text.size() + 1);
}

NetlinkMessage& NetlinkMessage::nest(int attribute, const std::function<void()>& content) {
    nlattr* const start = nla_nest_start(message_, attribute);
    if (start == nullptr)
        fail(EMSGSIZE);
    content();
    nla_nest_end(message_, start);
    return *this;
}

NetlinkSocket::NetlinkSocket(int protocol) : socket_(nl_socket_alloc()) {
    if (socket_ == nullptr)
        throw std::bad_alloc();
    try {
        if (nl_connect(socket_, protocol) < 0)
            fail(errno);
        nl_socket_enable_msg_peek(socket_); // a link with many VFs does not fit into one page
    } catch (...) {
        nl_socket_free(socket_);
        throw;
    }
}

NetlinkSocket::~NetlinkSocket() {
    nl_socket_free(socket_);
}

bool NetlinkSocket::exchange(NetlinkMessage& message, int flags, const Reply& reply) {
    nlmsghdr* const sent = nlmsg_hdr(message.get());
    sent->nlmsg_flags = static_cast<std::uint16_t>(sent->nlmsg_flags | flags);
    sent->nlmsg_seq = nl_socket_use_seq(socket_);
    sent->nlmsg_pid = nl_socket_get_local_port(socket_);
    checkedNl("netlink send", nl_sendto(socket_, sent, sent->nlmsg_len));
    const std::uint32_t sequence = sent->nlmsg_seq;
    bool complete = true;
    for (;;) {
        sockaddr_nl from{};
        unsigned char* buffer = nullptr;
        const int size = nl_recv(socket_, &from, &buffer, nullptr);
        checkedNl("netlink receive", size);
        const std::unique_ptr<unsigned char, decltype(&std::free)> owned(buffer, std::free);
        if (from.nl_pid != 0)
            continue; // only the kernel is believed
        int left = size;
        for (auto* header = reinterpret_cast<nlmsghdr*>(buffer); nlmsg_ok(header, left); header = nlmsg_next(header, &left)) {
            if (header->nlmsg_seq != sequence)
                continue; // left over from a request that failed half way
            if ((header->nlmsg_flags & NLM_F_DUMP_INTR) != 0)
                complete = false;
            if (header->nlmsg_type == NLMSG_ERROR) {
                const int code = -static_cast<const nlmsgerr*>(nlmsg_data(header))->error;
                if (code != 0)
                    fail(code);
                return complete;
            }
            if (header->nlmsg_type == NLMSG_DONE) {
                // A dump that failed says so here.
                if (nlmsg_datalen(header) >= static_cast<int>(sizeof(int)))
                    if (const int code = -*static_cast<const int*>(nlmsg_data(header)); code > 0)
                        fail(code);
                return complete;
            }
            if (reply)
                reply(*header);
        }
    }
}

void NetlinkSocket::request(NetlinkMessage& message, const Reply& reply) {
    exchange(message, NLM_F_ACK, reply);
}

void NetlinkSocket::dump(const std::function<void(NetlinkMessage&)>& fill, int type, const Reply& reply,
                         const std::function<void()>& restart) {
    for (;;) {
        NetlinkMessage message(type, NLM_F_DUMP);
        fill(message);
        if (exchange(message, 0, reply))
            return;
        restart();
    }
}

} // namespace rdmalab::plugin
