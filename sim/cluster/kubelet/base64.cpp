#include "sim/cluster/kubelet/base64.h"

#include <boost/beast/core/detail/base64.hpp>

#include <stdexcept>

namespace rdmalab::cluster {

namespace base64 = boost::beast::detail::base64;

std::string encodeBase64(std::string_view bytes) {
    std::string text(base64::encoded_size(bytes.size()), '\0');
    text.resize(base64::encode(text.data(), bytes.data(), bytes.size()));
    return text;
}

std::string decodeBase64(std::string_view text) {
    while (!text.empty() && (text.back() == '=' || text.back() == '\n'))
        text.remove_suffix(1);
    std::string bytes(base64::decoded_size(text.size() + 4), '\0');
    const auto [written, read] = base64::decode(bytes.data(), text.data(), text.size());
    if (read != text.size())
        throw std::runtime_error("illegal base64 data at input byte " + std::to_string(read));
    bytes.resize(written);
    return bytes;
}

} // namespace rdmalab::cluster
