# cmake -D FROM=FILE -D TO=FILE.inc -P embed.cmake: writes a text as a string literal of C++ (cf_embed).
file(READ "${FROM}" text)
if(text MATCHES "\\)cf_text\"")
  message(FATAL_ERROR "${FROM}: holds the end of the literal that it would be")
endif()
file(WRITE "${TO}" "R\"cf_text(${text})cf_text\"\n")
