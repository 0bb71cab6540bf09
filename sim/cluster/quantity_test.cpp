#include "sim/cluster/quantity.h"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace rdmalab::cluster {
namespace {

std::string canonical(const std::string& text) {
    const auto quantity = Quantity::parse(text);
    return quantity ? quantity->str() : "none";
}

TEST(Quantity, CanonicalForms) {
    for (const auto& [text, expected] : std::initializer_list<std::pair<const char*, const char*>>{
             {"0", "0"},       {"500", "500"}, {"1000", "1k"},       {"1500", "1500"},    {"1000000", "1M"},
             {"1024", "1024"}, {"1Ki", "1Ki"}, {"1024Ki", "1Mi"},    {"1.5Gi", "1536Mi"}, {"0.5", "500m"},
             {"100m", "100m"}, {"1000m", "1"}, {"0.1Ki", "102400m"}, {"512Mi", "512Mi"},  {"1e3", "1e3"},
             {"12e6", "12e6"}, {"1E", "1E"},   {"-5", "-5"},         {"+5", "5"},         {"263518036Ki", "263518036Ki"},
             {".5", "500m"},   {"1.", "1"},    {"3u", "3u"},         {"0.5n", "1n"}})
        EXPECT_EQ(canonical(text), expected) << text;
}

TEST(Quantity, RefusesWhatIsNone) {
    for (const char* text : {"", "abc", "1kk", "1 k", "1.2.3", "Ki", "1e", "--1", "1K", "0x10"})
        EXPECT_EQ(canonical(text), "none") << text;
}

TEST(Quantity, ValuesAndOrder) {
    EXPECT_EQ(Quantity::parse("1500m")->whole(), 2);
    EXPECT_EQ(Quantity::parse("1500m")->milli(), 1500);
    EXPECT_EQ(Quantity::parse("1Gi")->whole(), 1LL << 30);
    EXPECT_LT(*Quantity::parse("999"), *Quantity::parse("1k"));
    EXPECT_EQ(*Quantity::parse("1k"), *Quantity::parse("1000"));
    EXPECT_FALSE(Quantity::parse("500m")->isInteger());
    EXPECT_TRUE(Quantity::of(nlohmann::json(500))->isInteger());
    EXPECT_FALSE(Quantity::of(nlohmann::json(true)));
}

} // namespace
} // namespace rdmalab::cluster
