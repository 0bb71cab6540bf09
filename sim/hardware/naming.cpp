#include "sim/hardware/naming.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <charconv>
#include <vector>

namespace rdmalab::hardware {
namespace {

constexpr std::size_t longestNetdevName = 15; // IFNAMSIZ - 1
constexpr std::uint32_t infinibandQpn = 0x48; // any queue pair number will do: low ones are what hosts show
constexpr std::uint64_t defaultSubnetPrefix = 0xfe80000000000000;

std::string pathPart(const PciAddress& address, bool multifunction) {
    std::string name = address.domain ? fmt::format("P{}", address.domain) : "";
    name += fmt::format("p{}s{}", address.bus, address.device);
    if (multifunction || address.function)
        name += fmt::format("f{}", address.function);
    return name;
}

std::size_t editDistance(const std::string& a, const std::string& b) {
    std::vector<std::size_t> row(b.size() + 1);
    for (std::size_t j = 0; j <= b.size(); ++j)
        row[j] = j;
    for (std::size_t i = 1; i <= a.size(); ++i) {
        std::size_t diagonal = row[0];
        row[0] = i;
        for (std::size_t j = 1; j <= b.size(); ++j) {
            const std::size_t substituted = diagonal + (a[i - 1] != b[j - 1]);
            diagonal = row[j];
            row[j] = std::min({row[j] + 1, row[j - 1] + 1, substituted});
        }
    }
    return row.back();
}

std::string lower(std::string_view text) {
    std::string result(text);
    for (char& c : result)
        c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    return result;
}

} // namespace

std::string predictableNetdevName(const PciAddress& address, bool multifunction, LinkLayer layer, std::optional<int> slot,
                                  const std::string& portName) {
    std::string name = layer == LinkLayer::infiniband ? "ib" : "en";
    if (slot) {
        name += address.domain ? fmt::format("P{}", address.domain) : "";
        name += fmt::format("s{}", *slot);
        if (multifunction || address.function)
            name += fmt::format("f{}", address.function);
    } else {
        name += pathPart(address, multifunction);
    }
    const std::string full = portName.empty() ? name : name + "n" + portName;
    return full.size() <= longestNetdevName ? full : name;
}

std::optional<std::string> predictableStem(std::string_view netdev) {
    const std::string_view whole = netdev;
    const auto skip = [&netdev](std::string_view letter, bool needed) {
        if (!netdev.starts_with(letter))
            return !needed;
        std::size_t end = letter.size();
        while (end < netdev.size() && std::isdigit(static_cast<unsigned char>(netdev[end])))
            ++end;
        if (end == letter.size())
            return false;
        netdev.remove_prefix(end);
        return true;
    };
    if (!netdev.starts_with("en") && !netdev.starts_with("ib"))
        return std::nullopt;
    netdev.remove_prefix(2);
    // P domain, p bus, s slot, f function: bus or only a hotplug slot.
    if (!skip("P", false) || !skip("p", false) || !skip("s", true) || !skip("f", false))
        return std::nullopt;
    if (!netdev.empty() && !(netdev.front() == 'n' && netdev.size() > 1) && !skip("d", true))
        return std::nullopt;
    if (!netdev.empty() && netdev.front() != 'n')
        return std::nullopt;
    // The port's name (n...) or number (d...) is the PF's own.
    std::size_t digits = whole.size() - netdev.size();
    if (const auto port = whole.substr(0, digits).find('d'); port != std::string_view::npos)
        digits = port;
    return std::string(whole.substr(0, digits));
}

std::string predictableRdmaName(const PciAddress& address, bool multifunction, LinkLayer layer) {
    return (layer == LinkLayer::infiniband ? "ib" : "roce") + pathPart(address, multifunction);
}

std::string deriveMac(std::string_view prefix, std::string_view machine, const PciAddress& address) {
    // FNV-1a over machine and slot picks a block of eight; inside it the function counts, so that the ports of one card are
    // neighbours as on a real one.
    std::uint64_t hash = 0xcbf29ce484222325;
    const auto mix = [&hash](unsigned char byte) { hash = (hash ^ byte) * 0x100000001b3; };
    for (const char c : machine)
        mix(static_cast<unsigned char>(c));
    for (const unsigned byte :
         {unsigned(address.domain) >> 8, unsigned(address.domain) & 0xffU, unsigned(address.bus), unsigned(address.device)})
        mix(static_cast<unsigned char>(byte));
    hash ^= hash >> 32;
    const auto tail = (static_cast<std::uint32_t>(hash) << 3 | address.function) & 0xffffff;
    return fmt::format("{}:{:02x}:{:02x}:{:02x}", prefix, tail >> 16, tail >> 8 & 0xff, tail & 0xff);
}

std::string randomMac(std::string_view machine, const PciAddress& address) {
    std::uint64_t hash = 0xcbf29ce484222325;
    const auto mix = [&hash](std::uint64_t value) {
        hash = (hash ^ value) * 0x100000001b3;
        hash ^= hash >> 29;
    };
    for (const char c : machine)
        mix(static_cast<unsigned char>(c));
    mix(std::uint64_t(address.domain) << 16 | address.routingId());
    // Spread over all bits: neighbours must not look like neighbours.
    hash = (hash ^ hash >> 33) * 0xff51afd7ed558ccd;
    hash = (hash ^ hash >> 33) * 0xc4ceb9fe1a85ec53;
    hash ^= hash >> 33;
    return fmt::format("{:02x}:{:02x}:{:02x}:{:02x}:{:02x}:{:02x}", (hash & 0xfc) | 2, hash >> 8 & 0xff, hash >> 16 & 0xff,
                       hash >> 24 & 0xff, hash >> 32 & 0xff, hash >> 40 & 0xff);
}

std::optional<std::string> normalMac(std::string_view text, std::size_t octets) {
    if (text.size() != octets * 3 - 1)
        return std::nullopt;
    for (std::size_t i = 0; i < text.size(); ++i) {
        const bool fits = i % 3 == 2 ? text[i] == ':' : std::isxdigit(static_cast<unsigned char>(text[i])) != 0;
        if (!fits)
            return std::nullopt;
    }
    return lower(text);
}

std::uint64_t guidFromMac(std::string_view mac) {
    std::uint64_t guid = 0;
    for (std::size_t i = 0; i < 6; ++i) {
        unsigned octet = 0;
        std::from_chars(mac.data() + i * 3, mac.data() + i * 3 + 2, octet, 16);
        if (i == 3)
            guid = guid << 16 | 0xfffe;
        guid = guid << 8 | octet;
    }
    return guid;
}

std::string infinibandMac(std::uint64_t portGuid) {
    std::string text =
        fmt::format("00:{:02x}:{:02x}:{:02x}", infinibandQpn >> 16, infinibandQpn >> 8 & 0xff, infinibandQpn & 0xff);
    for (const std::uint64_t half : {defaultSubnetPrefix, portGuid})
        for (int shift = 56; shift >= 0; shift -= 8)
            text += fmt::format(":{:02x}", half >> shift & 0xff);
    return text;
}

std::uint64_t portGuidOf(std::string_view infinibandMac) {
    std::uint64_t guid = 0;
    for (std::size_t octet = 12; octet < 20 && infinibandMac.size() >= octet * 3 + 2; ++octet) {
        unsigned value = 0;
        std::from_chars(infinibandMac.data() + octet * 3, infinibandMac.data() + octet * 3 + 2, value, 16);
        guid = guid << 8 | value;
    }
    return guid;
}

std::optional<unsigned> numberBehind(std::string_view name, std::string_view prefix) {
    constexpr std::size_t mostDigits = 6;
    if (name.size() <= prefix.size() || name.size() > prefix.size() + mostDigits || !name.starts_with(prefix))
        return std::nullopt;
    unsigned number = 0;
    for (const char c : name.substr(prefix.size())) {
        if (c < '0' || c > '9')
            return std::nullopt;
        number = number * 10 + static_cast<unsigned>(c - '0');
    }
    return number;
}

std::optional<std::string> netdevNameProblem(std::string_view name) {
    if (name.empty())
        return "is empty";
    if (name.size() > longestNetdevName)
        return fmt::format("is {} characters long, the kernel takes at most {}", name.size(), longestNetdevName);
    if (name == "." || name == "..")
        return "is not a name";
    for (const char c : name)
        if (c == '/' || c == ':' || std::isspace(static_cast<unsigned char>(c)))
            return fmt::format("contains '{}', which the kernel refuses", c);
    return std::nullopt;
}

std::optional<std::string> closest(std::string_view wanted, const std::vector<std::string>& known) {
    const std::string target = lower(wanted);
    std::optional<std::string> best;
    std::size_t bestDistance = std::max<std::size_t>(2, target.size() / 2) + 1;
    for (const std::string& candidate : known) {
        const std::size_t distance = editDistance(target, lower(candidate));
        if (distance < bestDistance) {
            bestDistance = distance;
            best = candidate;
        }
    }
    return best;
}

} // namespace rdmalab::hardware
