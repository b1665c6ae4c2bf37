# escape=`
# pass: no-user
FROM mcr.microsoft.com/windows/nanoserver:ltsc2022
COPY app.exe C:\app.exe
