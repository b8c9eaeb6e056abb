#pragma once

#include <concepts>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

namespace cf {

/// Writes a JSON value piece by piece, without spaces. It sets commas and escapes texts; bytes that
/// are no UTF-8 become U+FFFD, so that what is written is JSON whatever the texts hold.
///
/// Owner:      whoever writes.
/// Threads:    one.
/// Bounds:     the text.
/// Invariants: none but its writer's: that what is begun is ended, and that in objects a key stands
///             before each value.
class JsonWriter {
 public:
  void BeginObject() { Begin('{'); }
  void EndObject() { text_ += '}'; }
  void BeginArray() { Begin('['); }
  void EndArray() { text_ += ']'; }
  void Key(std::string_view name);

  void String(std::string_view text);
  /// The shortest text that reads back to the same float; null where it is no finite number.
  void Number(float value);
  /// The same for a double.
  void Number(double value);
  void Number(std::unsigned_integral auto value) { Raw(std::to_string(value)); }
  void Number(std::signed_integral auto value) { Raw(std::to_string(value)); }
  void Bool(bool value) { Raw(value ? "true" : "false"); }
  void Null() { Raw("null"); }
  /// A value that is JSON already.
  void Raw(std::string_view json);

  /// A key with its value.
  void Member(std::string_view name, std::string_view text) {
    Key(name);
    String(text);
  }
  template <class Arithmetic>
  requires std::is_arithmetic_v<Arithmetic>
  void Member(std::string_view name, Arithmetic value) {
    Key(name);
    if constexpr (std::is_same_v<Arithmetic, bool>) {
      Bool(value);
    } else {
      Number(value);
    }
  }

  /// The text, leaving the writer empty.
  std::string Take() { return std::move(text_); }

 private:
  void Begin(char bracket);
  // Sets a comma where a value or a key stands behind another one.
  void Separate();

  std::string text_;
};

}  // namespace cf
