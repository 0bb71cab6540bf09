#include "sim/cluster/texts.h"

#include <array>
#include <cstdlib>
#include <stdexcept>

namespace rdmalab::cluster {

TextProfile textProfile(const std::string& release) {
    const std::string plain = release.starts_with("v") ? release.substr(1) : release;
    char* end = nullptr;
    const long minor = plain.starts_with("1.") ? std::strtol(plain.c_str() + 2, &end, 10) : -1;
    if (minor < 24 || end == plain.c_str() + 2)
        throw std::invalid_argument("unknown Kubernetes release \"" + release + "\": 1.28, 1.31, 1.34 or 1.35 expected");
    if (minor >= 35)
        return TextProfile::v1_35;
    if (minor == 34)
        return TextProfile::v1_34;
    return minor >= 31 ? TextProfile::v1_31 : TextProfile::v1_28;
}

const Texts& texts(TextProfile profile) {
    static const std::string pulled = "Container image \"{0}\" already present on machine";
    static const std::array<Texts, 4> table{{
        // version    taintNamed newClaims secondDot activeOnly pulled created started
        {"v1.28.15", true, false, true, false, pulled, "Created container {0}", "Started container {0}"},
        {"v1.31.13", true, false, false, false, pulled, "Created container {0}", "Started container {0}"},
        {"v1.34.2", true, true, false, true, pulled, "Created container: {0}", "Started container {0}"},
        {"v1.35.0", false, true, false, true, pulled + " and can be accessed by the pod", "Container created",
         "Container started"},
    }};
    return table[static_cast<std::size_t>(profile)];
}

} // namespace rdmalab::cluster
