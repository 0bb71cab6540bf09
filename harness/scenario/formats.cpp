#include "harness/scenario/formats.h"

#include "harness/scenario/matcher.h"
#include "sim/cluster/quantity.h"
#include "sim/hardware/cpu_list.h"
#include "sim/hardware/naming.h"
#include "sim/hardware/pci_address.h"
#include "util/ip.h"

#include <cstring>
#include <re2/re2.h>

#include <charconv>

namespace rdmalab::scenario::formats {

namespace {

bool fits(const std::string& text, const RE2& pattern) {
    return RE2::FullMatch(text, pattern);
}

bool isDnsLabel(const std::string& text) {
    static const RE2 pattern("[a-z0-9]([-a-z0-9]*[a-z0-9])?");
    return text.size() <= 63 && fits(text, pattern);
}

bool isDnsSubdomain(const std::string& text) {
    static const RE2 pattern("[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*");
    return text.size() <= 253 && fits(text, pattern);
}

std::string replaced(std::string text, std::string_view with) {
    for (auto at = text.find("{index}"); at != std::string::npos; at = text.find("{index}", at + with.size()))
        text.replace(at, 7, with);
    return text;
}

bool isQuantity(const std::string& text) {
    const auto quantity = cluster::Quantity::parse(text);
    return quantity && !quantity->isNegative();
}

bool isRelativePath(const std::string& text) {
    return !text.empty() && text[0] != '/' && text.find('\n') == std::string::npos;
}

} // namespace

std::optional<std::chrono::milliseconds> parseDuration(std::string_view text) {
    constexpr double day = 24 * 3600e3;
    double total = 0;
    if (text.empty())
        return std::nullopt;
    while (!text.empty()) {
        double number = 0;
        if (text[0] < '0' || text[0] > '9') // from_chars takes a sign, "inf" and "nan" too
            return std::nullopt;
        const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), number, std::chars_format::fixed);
        if (failed != std::errc())
            return std::nullopt;
        text.remove_prefix(static_cast<std::size_t>(end - text.data()));
        double unit = 0;
        std::size_t length = 1;
        if (text.starts_with("ms")) {
            unit = 1;
            length = 2;
        } else if (text.starts_with("s")) {
            unit = 1e3;
        } else if (text.starts_with("m")) {
            unit = 60e3;
        } else if (text.starts_with("h")) {
            unit = 3600e3;
        } else {
            return std::nullopt;
        }
        text.remove_prefix(length);
        total += number * unit;
    }
    if (!(total >= 1 && total <= day))
        return std::nullopt;
    return std::chrono::milliseconds(static_cast<std::int64_t>(total));
}

std::optional<std::uint64_t> parseGuid(std::string_view text) {
    static const RE2 pattern("([0-9a-fA-F]{4}:){3}[0-9a-fA-F]{4}|([0-9a-fA-F]{2}:){7}[0-9a-fA-F]{2}|0x[0-9a-fA-F]{16}");
    std::string digits(text);
    if (!fits(digits, pattern))
        return std::nullopt;
    std::erase(digits, ':');
    const std::uint64_t value = std::stoull(digits, nullptr, 16);
    return value == 0 ? std::nullopt : std::optional(value);
}

const Format duration{"a duration between 1ms and 24h", "^([0-9]+(\\.[0-9]+)?(ms|s|m|h))+$",
                      [](const std::string& t) { return parseDuration(t).has_value(); },
                      "write a number with its unit: 30s, 1m30s, 500ms"};
const Format cidr{"an IP address with its prefix length", "^[0-9a-fA-F.:]+/[0-9]+$",
                  [](const std::string& t) { return Cidr::parse(t).has_value(); }, "for example 10.20.1.10/24"};
const Format addressOrTemplate{"an IP address with its prefix length", "^([0-9a-fA-F.:]|\\{index\\})+/[0-9]+$",
                               [](const std::string& t) { return Cidr::parse(replaced(t, "1")).has_value(); },
                               "for example 172.81.0.10/16; {index} stands for the number of the node in its group"};
const Format address{"an IP address", "^[0-9a-fA-F.:]+$", [](const std::string& t) { return IpAddress::parse(t).has_value(); }};
const Format addressRange{"an IP address, or two with a dash between", "^[0-9a-fA-F.:]+(-[0-9a-fA-F.:]+)?$",
                          [](const std::string& t) {
                              const auto range = IpRange::parse(t);
                              return range && range->first <= range->last;
                          },
                          "for example 172.81.0.100-172.81.0.120"};
const Format quantity{"a Kubernetes quantity",
                      "^\\+?([0-9]+(\\.[0-9]*)?|\\.[0-9]+)(Ki|Mi|Gi|Ti|Pi|Ei|n|u|m|k|M|G|T|P|E|[eE][+-]?[0-9]+)?$", isQuantity,
                      "for example 40, 500m, 263518036Ki"};
const Format pciAddress{"a PCI address", "^([0-9a-fA-F]{4}:)?[0-9a-fA-F]{2}:[01][0-9a-fA-F]\\.[0-7]$",
                        [](const std::string& t) { return hardware::PciAddress::parse(t).has_value(); },
                        "domain:bus:device.function in hexadecimal, for example \"0000:af:00.0\""};
const Format macAddress{"a MAC address", "^([0-9a-fA-F]{2}:){5}[0-9a-fA-F]{2}$",
                        [](const std::string& t) {
                            static const RE2 pattern("([0-9a-fA-F]{2}:){5}[0-9a-fA-F]{2}");
                            return fits(t, pattern);
                        },
                        "six octets, for example b8:ce:f6:12:34:56"};
const Format relativePath{"a path below the scenario's folder", "^[^/]", isRelativePath,
                          "files belong next to the scenario, so that it can be copied and run anywhere"};
const Format absolutePath{"an absolute path", "^/", [](const std::string& t) { return t.starts_with('/'); }};
const Format regex{"a regular expression", "", [](const std::string& t) { return regexProblem(t).empty(); },
                   "RE2 syntax, as in Go"};
const Format dnsLabel{"a name of lower-case letters, digits and dashes", "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$", isDnsLabel};
const Format dnsSubdomain{"a name of lower-case letters, digits, dashes and dots", "^[a-z0-9]([-.a-z0-9]*[a-z0-9])?$",
                          isDnsSubdomain, "Kubernetes allows nothing else as the name of a node"};
const Format nodeNameTemplate{
    "a name with {index} in it", "\\{index\\}",
    [](const std::string& t) { return t.find("{index}") != std::string::npos && isDnsSubdomain(replaced(t, "1")); },
    "for example node-{index}; {index} counts from 1"};
const Format interfaceName{"a network interface name of at most 15 characters", "^[^/ ]{1,15}$",
                           [](const std::string& t) { return !hardware::netdevNameProblem(t).has_value(); }};
const Format rdmaName{"an RDMA device name", "^[A-Za-z0-9_.-]{1,63}$",
                      [](const std::string& t) {
                          static const RE2 pattern("[A-Za-z0-9_.-]{1,63}");
                          return fits(t, pattern) && t != "." && t != "..";
                      },
                      "for example mlx5_0"};
const Format objectName{"the name of a Kubernetes object", "^[a-z0-9A-Z]", [](const std::string& t) {
                            static const RE2 pattern("[A-Za-z0-9]([-A-Za-z0-9._:]*[A-Za-z0-9])?");
                            return t.size() <= 253 && fits(t, pattern);
                        }};
const Format notEmpty{"text that is not empty", "^.", [](const std::string& t) { return !t.empty(); }};
const Format helmSet{"key=value, as after helm's --set", "=",
                     [](const std::string& t) { return t.find('=') != std::string::npos && t[0] != '='; },
                     "for example rdma.rdmaSharedDevicePlugin.install=true"};
const Format variableName{"the name of a shell variable", "^[A-Za-z_][A-Za-z0-9_]*$", [](const std::string& t) {
                              static const RE2 pattern("[A-Za-z_][A-Za-z0-9_]*");
                              return fits(t, pattern);
                          }};
const Format pciId{"four hexadecimal digits", "^(0x)?[0-9a-fA-F]{4}$",
                   [](const std::string& t) {
                       static const RE2 pattern("(0x)?[0-9a-fA-F]{4}");
                       return fits(t, pattern);
                   },
                   "as lspci -nn prints it, for example \"10de\""};
const Format pciClass{"six hexadecimal digits", "^(0x)?[0-9a-fA-F]{6}$",
                      [](const std::string& t) {
                          static const RE2 pattern("(0x)?[0-9a-fA-F]{6}");
                          return fits(t, pattern);
                      },
                      "class, subclass and programming interface: \"030200\" is a 3D controller"};
const Format guid{"a GUID", "^(([0-9a-fA-F]{4}:){3}[0-9a-fA-F]{4}|([0-9a-fA-F]{2}:){7}[0-9a-fA-F]{2}|0x[0-9a-fA-F]{16})$",
                  [](const std::string& t) { return parseGuid(t).has_value(); },
                  "for example \"b8ce:f603:00aa:bbcc\", not all zero"};
const Format cpuList{"a list of CPUs", "^([0-9]+(-[0-9]+)?(,[0-9]+(-[0-9]+)?)*)?$",
                     [](const std::string& t) { return hardware::parseCpuList(t).has_value(); }, "for example 0-15,32-47"};
const Format charDeviceName{"the name of a device in /dev/infiniband", "^[a-z_]+[0-9]*$",
                            [](const std::string& t) {
                                static const RE2 pattern("(uverbs|umad|issm)[0-9]{1,4}|rdma_cm");
                                return fits(t, pattern);
                            },
                            "for example issm0, umad1, uverbs0 or rdma_cm"};
const Format errnoName{"the name of an errno", "^E[A-Z0-9]+$",
                       [](const std::string& t) {
                           for (int code = 1; code < 256; ++code)
                               if (const char* known = ::strerrorname_np(code); known != nullptr && t == known)
                                   return true;
                           return false;
                       },
                       "for example EBUSY or EINVAL"};

} // namespace rdmalab::scenario::formats
