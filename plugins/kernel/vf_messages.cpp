#include "plugins/kernel/vf_messages.h"

#include "plugins/kernel/kernel.h"
#include "plugins/kernel/netlink_decode.h"
#include "plugins/kernel/netlink_socket.h"

#include <algorithm>
#include <arpa/inet.h>
#include <cstring>
#include <fmt/format.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <netlink/attr.h>
#include <netlink/msg.h>

namespace rdmalab::plugin {

namespace {

void header(NetlinkMessage& message, int pfIndex) {
    ifinfomsg content{};
    content.ifi_index = pfIndex;
    message.header(content);
}

template <typename Content>
void fill(NetlinkMessage& message, int pfIndex, int attribute, const Content& content) {
    header(message, pfIndex);
    message.nest(IFLA_VFINFO_LIST,
                 [&] { message.nest(IFLA_VF_INFO, [&] { message.put(attribute, &content, sizeof content); }); });
}

std::uint32_t number(int value) {
    return static_cast<std::uint32_t>(value);
}

void fillGuid(NetlinkMessage& message, int pfIndex, int attribute, int vf, std::uint64_t guid) {
    ifla_vf_guid content;
    std::memset(&content, 0, sizeof content); // there is a gap in it, which goes to the kernel too
    content.vf = number(vf);
    content.guid = guid;
    fill(message, pfIndex, attribute, content);
}

// Older and newer kernels have shorter and longer structures; what is missing is zero.
template <typename Content>
Content contentOf(const nlattr* attribute) {
    Content content{};
    std::memcpy(&content, nla_data(attribute), std::min(sizeof content, static_cast<std::size_t>(nla_len(attribute))));
    return content;
}

template <typename Action>
void forEachIn(const nlattr* nest, Action&& action) {
    int left = nla_len(nest);
    for (auto* item = static_cast<nlattr*>(nla_data(nest)); nla_ok(item, left); item = nla_next(item, &left))
        action(*item);
}

std::string macText(const unsigned char* bytes) {
    return fmt::format("{:02x}:{:02x}:{:02x}:{:02x}:{:02x}:{:02x}", bytes[0], bytes[1], bytes[2], bytes[3], bytes[4], bytes[5]);
}

VfInfo decodeVf(const nlattr* nest) {
    VfInfo info;
    forEachIn(nest, [&](const nlattr& attribute) {
        switch (nla_type(&attribute)) {
        case IFLA_VF_MAC: {
            const auto content = contentOf<ifla_vf_mac>(&attribute);
            info.vf = static_cast<int>(content.vf);
            info.mac = macText(content.mac);
            break;
        }
        case IFLA_VF_VLAN: {
            const auto content = contentOf<ifla_vf_vlan>(&attribute);
            info.vlan = static_cast<int>(content.vlan);
            info.qos = static_cast<int>(content.qos);
            break;
        }
        case IFLA_VF_VLAN_LIST: // its first entry only: nobody has more than one
            forEachIn(&attribute, [&](const nlattr& entry) {
                if (nla_type(&entry) == IFLA_VF_VLAN_INFO && info.vlanProtocol == 0)
                    info.vlanProtocol = ntohs(contentOf<ifla_vf_vlan_info>(&entry).vlan_proto);
            });
            break;
        case IFLA_VF_RATE: {
            const auto content = contentOf<ifla_vf_rate>(&attribute);
            info.minTxRate = content.min_tx_rate;
            info.maxTxRate = content.max_tx_rate;
            break;
        }
        case IFLA_VF_SPOOFCHK:
            info.spoofCheck = contentOf<ifla_vf_spoofchk>(&attribute).setting != 0;
            break;
        case IFLA_VF_TRUST:
            info.trust = contentOf<ifla_vf_trust>(&attribute).setting != 0;
            break;
        case IFLA_VF_LINK_STATE:
            info.linkState = static_cast<VfLinkState>(contentOf<ifla_vf_link_state>(&attribute).link_state);
            break;
        case IFLA_VF_IB_NODE_GUID:
            info.nodeGuid = contentOf<ifla_vf_guid>(&attribute).guid;
            break;
        case IFLA_VF_IB_PORT_GUID:
            info.portGuid = contentOf<ifla_vf_guid>(&attribute).guid;
            break;
        default:
            break;
        }
    });
    return info;
}

} // namespace

void fillVfMac(NetlinkMessage& message, int pfIndex, int vf, const std::string& mac) {
    const auto bytes = parseHardwareAddress(mac);
    ifla_vf_mac content{};
    if (bytes.empty() || bytes.size() > sizeof content.mac)
        throw KernelError(fmt::format("address {}: invalid MAC address", mac), EINVAL);
    content.vf = number(vf);
    std::copy(bytes.begin(), bytes.end(), content.mac);
    fill(message, pfIndex, IFLA_VF_MAC, content);
}

void fillVfVlan(NetlinkMessage& message, int pfIndex, int vf, int vlan, int qos, int protocol) {
    ifla_vf_vlan_info content;
    std::memset(&content, 0, sizeof content); // with the gap at its end
    content.vf = number(vf);
    content.vlan = number(vlan);
    content.qos = number(qos);
    content.vlan_proto = htons(static_cast<std::uint16_t>(protocol));
    header(message, pfIndex);
    message.nest(IFLA_VFINFO_LIST, [&] {
        message.nest(IFLA_VF_INFO,
                     [&] { message.nest(IFLA_VF_VLAN_LIST, [&] { message.put(IFLA_VF_VLAN_INFO, &content, sizeof content); }); });
    });
}

void fillVfRate(NetlinkMessage& message, int pfIndex, int vf, std::uint32_t minTxRate, std::uint32_t maxTxRate) {
    fill(message, pfIndex, IFLA_VF_RATE, ifla_vf_rate{number(vf), minTxRate, maxTxRate});
}

void fillVfSpoofCheck(NetlinkMessage& message, int pfIndex, int vf, bool on) {
    fill(message, pfIndex, IFLA_VF_SPOOFCHK, ifla_vf_spoofchk{number(vf), on ? 1u : 0u});
}

void fillVfTrust(NetlinkMessage& message, int pfIndex, int vf, bool on) {
    fill(message, pfIndex, IFLA_VF_TRUST, ifla_vf_trust{number(vf), on ? 1u : 0u});
}

void fillVfLinkState(NetlinkMessage& message, int pfIndex, int vf, VfLinkState state) {
    fill(message, pfIndex, IFLA_VF_LINK_STATE, ifla_vf_link_state{number(vf), static_cast<std::uint32_t>(state)});
}

void fillVfNodeGuid(NetlinkMessage& message, int pfIndex, int vf, std::uint64_t guid) {
    fillGuid(message, pfIndex, IFLA_VF_IB_NODE_GUID, vf, guid);
}

void fillVfPortGuid(NetlinkMessage& message, int pfIndex, int vf, std::uint64_t guid) {
    fillGuid(message, pfIndex, IFLA_VF_IB_PORT_GUID, vf, guid);
}

std::vector<VfInfo> decodeVfs(const nlmsghdr& message) {
    std::vector<VfInfo> found;
    if (message.nlmsg_type != RTM_NEWLINK || nlmsg_datalen(&message) < static_cast<int>(sizeof(ifinfomsg)))
        return found;
    auto* attribute = nlmsg_attrdata(&message, sizeof(ifinfomsg));
    for (int left = nlmsg_attrlen(&message, sizeof(ifinfomsg)); nla_ok(attribute, left); attribute = nla_next(attribute, &left))
        if (nla_type(attribute) == IFLA_VFINFO_LIST)
            forEachIn(attribute, [&](const nlattr& vf) {
                if (nla_type(&vf) == IFLA_VF_INFO)
                    found.push_back(decodeVf(&vf));
            });
    return found;
}

} // namespace rdmalab::plugin
