// Amounts as Kubernetes writes them (k8s.io/apimachinery api/resource): "500m", "1k", "64Mi", "1e3".
#pragma once

#include <nlohmann/json_fwd.hpp>

#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace rdmalab::cluster {

class Quantity {
public:
    static std::optional<Quantity> parse(std::string_view text);
    static std::optional<Quantity> of(const nlohmann::json& value); // a string or a number

    bool isInteger() const { return nano_ % billion == 0; }
    bool isNegative() const { return nano_ < 0; }
    bool isZero() const { return nano_ == 0; }
    std::int64_t whole() const; // rounded up, limited to the int64 range
    std::int64_t milli() const; // the same in thousandths

    // The canonical form: the largest suffix that needs no fraction. 1000 is "1k", 1024 stays "1024", 1Ki stays "1Ki".
    std::string str() const;

    friend std::strong_ordering operator<=>(const Quantity& a, const Quantity& b) {
        return a.nano_ < b.nano_    ? std::strong_ordering::less
               : a.nano_ == b.nano_ ? std::strong_ordering::equal
                                    : std::strong_ordering::greater;
    }
    friend bool operator==(const Quantity& a, const Quantity& b) { return a.nano_ == b.nano_; }

private:
    __extension__ using Wide = __int128;
    static constexpr Wide billion = 1'000'000'000;
    Wide nano_ = 0;
    enum class Form { decimal, binary, exponent } form_ = Form::decimal;
};

// The complaint of the API server about a text that is none.
inline constexpr std::string_view quantityProblem =
    "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'";

} // namespace rdmalab::cluster
