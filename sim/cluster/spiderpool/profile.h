// Which Spiderpool release is imitated (spec/spiderpool.md, section 0).
#pragma once

#include <stdexcept>
#include <string>
#include <string_view>

namespace rdmalab::cluster {

enum class SpiderpoolProfile {
    v0_8, // v0.8.2
    v1_2  // v1.2.2
};

// "0.8", "v0.8.2", "1.2", ... Throws std::invalid_argument naming the profiles that exist.
inline SpiderpoolProfile spiderpoolProfile(std::string_view text) {
    std::string_view version = text;
    if (version.starts_with('v'))
        version.remove_prefix(1);
    const auto is = [&](std::string_view release) {
        return version == release || (version.starts_with(release) && version[release.size()] == '.');
    };
    if (is("0.8"))
        return SpiderpoolProfile::v0_8;
    if (is("1.2"))
        return SpiderpoolProfile::v1_2;
    throw std::invalid_argument("unknown Spiderpool profile \"" + std::string(text) + "\", known are \"0.8\" and \"1.2\"");
}

inline std::string_view toString(SpiderpoolProfile profile) {
    return profile == SpiderpoolProfile::v0_8 ? "0.8" : "1.2";
}

inline constexpr std::string_view spiderpoolApiVersion = "spiderpool.spidernet.io/v2beta1";
inline constexpr std::string_view spiderpoolFinalizer = "spiderpool.spidernet.io";

} // namespace rdmalab::cluster
